/* Stands before clock_gettime(2) of a program that is tried: the wall clock is moved, boottime runs faster.
   The monotonic clock is left alone, since the kernel itself waits by it.
   Both are told by a shared file, so that they change while the program runs: see clock.rs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct told {
    int64_t wall_offset_ns;
    int64_t boottime_start_ns;
    int64_t boottime_speed;
    int64_t programs;
};

static volatile struct told *told;

__attribute__((constructor)) static void open_told(void) {
    const char *path = getenv("FAULTS_CLOCK");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *memory = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) return;
    told = memory;
    __atomic_add_fetch(&told->programs, 1, __ATOMIC_SEQ_CST);
}

static void put(struct timespec *time, int64_t nanos) {
    int64_t part = nanos % 1000000000;
    if (part < 0) part += 1000000000;
    time->tv_sec = (nanos - part) / 1000000000;
    time->tv_nsec = part;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int answer = syscall(SYS_clock_gettime, clock, time);
    if (answer || !told) return answer;
    int64_t nanos = time->tv_sec * 1000000000LL + time->tv_nsec;
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) put(time, nanos + told->wall_offset_ns);
    if (clock == CLOCK_BOOTTIME) put(time, told->boottime_start_ns + (nanos - told->boottime_start_ns) * told->boottime_speed);
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}
