import ft_utils.synchronization as synchronization

# Create an IntervalLock with a 5ms interval
lock = synchronization.IntervalLock(0.005)

# Acquire the lock
lock.lock()

# Do some work
print("Doing some work")

# Cede the lock to any waiters and reset the interval
lock.cede()

# Create a ReaderWriterLock
rw_lock = synchronization.RWLock()

# Acquire the read lock
rw_lock.lock_read()

# Do some work
print("Doing some read work")

# Release the read lock
rw_lock.unlock_read()

# Acquire the write lock
rw_lock.lock_write()

# Do some work
print("Doing some write work")

# Release the write lock
rw_lock.unlock_write()

# Use an RWReadContext to acquire the read lock
with synchronization.RWReadContext(rw_lock) as read_lock:
    print("Doing some read work")

# Use an RWWriteContext to acquire the write lock
with synchronization.RWWriteContext(rw_lock) as write_lock:
    print("Doing some write work")
