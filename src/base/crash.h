/* What a program does when it crashes (SIGSEGV and the like), before the system or MPI acts. */
#ifndef MPT_CRASH_H
#define MPT_CRASH_H

/* From now on a crash calls `note` (NULL: nothing; async-signal-safe) and then does what it did
 * before. The process ends within seconds in any case: Open MPI prints a stack trace, which waits
 * for ever if the thread crashed while it held the lock of malloc(). Call it after MPI_Init. */
void mpt_on_crash(void (*note)(void));

#endif
