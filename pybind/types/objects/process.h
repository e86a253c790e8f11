/* What is done once a process, and around a fork. */
#ifndef FT_PROCESS_H
#define FT_PROCESS_H

/* At import. 0, or -1 with an exception set. */
int ft_process_init(void);

#endif
