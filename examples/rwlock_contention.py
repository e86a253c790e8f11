import threading
import time
from ft_utils.synchronization import ReaderWriterLock

def reader(lock, name):
    print(f"{name} is waiting to acquire the read lock")
    lock.lock_read()
    print(f"{name} has acquired the read lock")
    for i in range(5):
        print(f"{name} is reading...")
        time.sleep(0.1)
    print(f"{name} has finished reading")
    lock.unlock_read()

def writer(lock, name):
    print(f"{name} is waiting to acquire the write lock")
    lock.lock_write()
    print(f"{name} has acquired the write lock")
    for i in range(5):
        print(f"{name} is writing...")
        time.sleep(0.1)
    print(f"{name} has finished writing")
    lock.unlock_write()

lock = ReaderWriterLock()  # Create a ReaderWriterLock

# Create three threads that will contend for the lock
thread1 = threading.Thread(target=reader, args=(lock, "Reader 1"))
thread2 = threading.Thread(target=reader, args=(lock, "Reader 2"))
thread3 = threading.Thread(target=writer, args=(lock, "Writer"))

# Start the threads
thread1.start()
thread2.start()
thread3.start()

# Wait for all threads to finish
thread1.join()
thread2.join()
thread3.join()
