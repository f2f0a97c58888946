/* Two threads that each hold a mutex and want the other's; a third wants one of them; main joins. */
#include "target.h"

static pthread_mutex_t left = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t right = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both_hold_one;
static volatile int returned;

FRAME void want(pthread_mutex_t *mutex) { pthread_mutex_lock(mutex); returned++; }

FRAME void left_then_right(void)
{
    pthread_mutex_lock(&left);
    pthread_barrier_wait(&both_hold_one);
    want(&right);
    returned++;
}

FRAME void right_then_left(void)
{
    pthread_mutex_lock(&right);
    pthread_barrier_wait(&both_hold_one);
    want(&left);
    returned++;
}

FRAME void bystander(void)
{
    pthread_barrier_wait(&both_hold_one);
    want(&left);
    returned++;
}

static void *body(void *function)
{
    ((void (*)(void))function)();
    return NULL;
}

int main(void)
{
    pthread_barrier_init(&both_hold_one, NULL, 3);
    pthread_t first = start("left-right", body, (void *)left_then_right);
    start("right-left", body, (void *)right_then_left);
    start("bystander", body, (void *)bystander);
    ready("");
    pthread_join(first, NULL);
}
