/* LD_PRELOAD library that shifts a program's wall clock by the seconds in the file named by
 * SHIFTED_CLOCK. The file is read at each call, so that the clock can be set while the program runs. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long shift(void)
{
    const char *path = getenv("SHIFTED_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    char text[32] = {0};
    long seconds = file >= 0 && read(file, text, sizeof text - 1) > 0 ? atol(text) : 0;

    if (file >= 0)
        close(file);
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = syscall(SYS_clock_gettime, clock, time);

    if (result == 0 && clock == CLOCK_REALTIME)
        time->tv_sec += shift();
    return result;
}
