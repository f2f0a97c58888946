/* What every target shares: the marker that a debugger reads back, and the handshake. */
#ifndef TARGET_H
#define TARGET_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Keeps a function a frame of its own: not inlined, cloned, folded or tail-called away. */
#ifdef __clang__
#define FRAME __attribute__((noinline))
#else
#define FRAME __attribute__((noipa))
#endif

#ifdef __cplusplus
extern "C" {
#endif
/* Zero in the file, so a debugger that shows the value has it from memory. */
volatile uint64_t marker;
#ifdef __cplusplus
}
#endif

/* Print what the tests wait for; `more` is free text for the test, or "". */
static inline void ready(const char *more)
{
    marker = 0x544f4853474e4148; /* "HANGSHOT" */
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* for tests by plain users under Yama */
    printf("ready %d %p %s\n", getpid(), (void *)&marker, more);
    fflush(stdout);
}

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Start a thread with a name; it is on its way, not there yet: the tests wait until it sleeps. */
static inline pthread_t start(const char *name, void *(*body)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument) != 0)
        die("pthread_create");
    pthread_setname_np(thread, name);
    return thread;
}

static inline long number(int argc, char **argv, int index, long otherwise)
{
    return argc > index ? atol(argv[index]) : otherwise;
}

#endif
