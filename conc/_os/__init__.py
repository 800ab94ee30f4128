"""The only door to the operating system: nothing else in conc reads a clock, opens a socket or starts a thread.

What stands here is thin: it knows descriptors, seconds and threads, and neither tasks nor workers. So all that a test
wants to replace (time, readiness, randomness, sockets) is replaced at this line, and all that differs between systems
is settled behind it.

================  ====================================================================================
poller.py         what a poller is: READ, WRITE, HUP and the protocol, with the rules for its users
patience.py       waiting exactly as long as was asked, on system calls that count in milliseconds
epoll.py          the poller of Linux
kqueue.py         the poller of macOS and the BSDs
select_poller.py  the poller of every other system, level-triggered
choose.py         the best poller of this system
bell.py           wakes a thread that sleeps in its poller
clock.py          what a clock is, and the real one
entropy.py        seeds and generators of randomness
threads.py        starting threads, and counting cores and threads that are not ours
sync.py           locks, queues and thread-locals, made in one place
process.py        the process id, and what a fork changes
children.py       child processes: starting them, their exit codes, signals to them
terminals.py      pseudo-terminals, and programs that run in one
signals.py        Ctrl-C, and waking a sleeper from a signal
files.py          opening, reading and writing files, and looking into folders
replacing.py      new contents for a file in one step
trees.py          whole folders, and files and folders for a while
sockets.py        sockets that never wait, names that do, addresses that need no name service
================  ====================================================================================
"""
