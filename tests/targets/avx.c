/* Two threads with known values in all 16 YMM registers: one computes for ever, one sleeps in a bare
 * system call. Lane l (64 bits) of register r is 0xA0000000 + r * 256 + l, in the sleeper + 0x1000000. */
#include "target.h"
#include <sys/syscall.h>

static uint64_t values[2][16][4] __attribute__((aligned(32)));

#define LOAD                                                                                                  \
    "vmovdqa 0(%0), %%ymm0\n vmovdqa 32(%0), %%ymm1\n vmovdqa 64(%0), %%ymm2\n vmovdqa 96(%0), %%ymm3\n"       \
    "vmovdqa 128(%0), %%ymm4\n vmovdqa 160(%0), %%ymm5\n vmovdqa 192(%0), %%ymm6\n vmovdqa 224(%0), %%ymm7\n"  \
    "vmovdqa 256(%0), %%ymm8\n vmovdqa 288(%0), %%ymm9\n vmovdqa 320(%0), %%ymm10\n vmovdqa 352(%0), %%ymm11\n" \
    "vmovdqa 384(%0), %%ymm12\n vmovdqa 416(%0), %%ymm13\n vmovdqa 448(%0), %%ymm14\n vmovdqa 480(%0), %%ymm15\n"

FRAME void computes(void) { __asm__ volatile(LOAD "1: pause\n jmp 1b" : : "r"(values[0]) : "memory"); }

FRAME void sleeps(void)
{
    __asm__ volatile(LOAD "1: mov %1, %%eax\n syscall\n jmp 1b"
                     :
                     : "r"(values[1]), "i"(SYS_pause)
                     : "memory", "rax", "rcx", "r11");
}

static void *body(void *function)
{
    ((void (*)(void))function)();
    return NULL;
}

int main(void)
{
    if (!__builtin_cpu_supports("avx")) {
        ready("no-avx");
        pause();
    }
    for (int set = 0; set < 2; set++)
        for (int r = 0; r < 16; r++)
            for (int lane = 0; lane < 4; lane++)
                values[set][r][lane] = 0xA0000000u + (unsigned)(set * 0x1000000 + r * 256 + lane);
    start("computes", body, (void *)computes);
    start("sleeps", body, (void *)sleeps);
    ready("avx");
    for (;;)
        pause();
}
