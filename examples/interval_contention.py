import threading
import time
from ft_utils.synchronization import IntervalLock

def worker(lock, name):
    print(f"{name} is waiting to acquire the lock")
    lock.lock()
    print(f"{name} has acquired the lock")
    for i in range(5):
        print(f"{name} is working...")
        time.sleep(0.1)
        lock.poll()  # Check if the interval has expired and cede the lock if necessary
    print(f"{name} has finished working")
    lock.unlock()

lock = IntervalLock(interval=0.2)  # Create an IntervalLock with a 200ms interval

# Create two threads that will contend for the lock
thread1 = threading.Thread(target=worker, args=(lock, "Thread 1"))
thread2 = threading.Thread(target=worker, args=(lock, "Thread 2"))

# Start the threads
thread1.start()
thread2.start()

# Wait for both threads to finish
thread1.join()
thread2.join()
