/* Interrupts every thread of a program, all the time, by a signal whose handler does nothing and restarts nothing: a
 * system call that can be interrupted will be. Preloaded into the programs below the folder STORM_UNDER; the others
 * (shells, tools) are left in peace. See storm.sh.
 *
 * The programs whose names are in STORM_SPARED hear another signal: they listen to this one.
 *
 * It opens no descriptor, and adds one thread, which is hit by no signal. It knows the threads because it stands before
 * pthread_create. A forked child has no storm until it executes a program. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 1024 };

/* By number; 0 is a free place. */
static atomic_int threads[MAX_THREADS];
static int signal_number;
static long pause_us;
static pthread_key_t at_end;

static void nothing(int signal) { (void)signal; }

static void *storm(void *unused) {
    struct timespec pause = {pause_us / 1000000, pause_us % 1000000 * 1000};
    for (;;) {
        for (int i = 0; i < MAX_THREADS; i++) {
            int thread = atomic_load(&threads[i]);
            if (thread != 0) syscall(SYS_tgkill, getpid(), thread, signal_number);
        }
        nanosleep(&pause, NULL);
    }
    return unused;
}

static void enter(void) {
    int thread = (int)syscall(SYS_gettid);
    for (int i = 0; i < MAX_THREADS; i++) {
        int free_place = 0;
        if (atomic_compare_exchange_strong(&threads[i], &free_place, thread)) {
            pthread_setspecific(at_end, &threads[i]);
            return;
        }
    }
}

static void leave(void *place) { atomic_store((atomic_int *)place, 0); }

struct start {
    void *(*routine)(void *);
    void *argument;
};

static void *begin_thread(void *memory) {
    struct start start = *(struct start *)memory;
    free(memory);
    enter();
    return start.routine(start.argument);
}

static int (*real_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument) {
    if (!real_create) real_create = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
    struct start *start = signal_number ? malloc(sizeof *start) : NULL;
    if (!start) return real_create(thread, attributes, routine, argument);
    *start = (struct start){routine, argument};
    int refused = real_create(thread, attributes, begin_thread, start);
    if (refused) free(start);
    return refused;
}

/* Whether a list has the name of a program, up to the hash that Cargo adds. */
static int lists(const char *list, const char *program) {
    const char *name = strrchr(program, '/') + 1, *end = strrchr(name, '-');
    size_t length = end ? (size_t)(end - name) : strlen(name);
    for (const char *found = list; found && *found; found = strchr(found, ' ')) {
        found += *found == ' ';
        if (strncmp(found, name, length) == 0 && (found[length] == ' ' || found[length] == 0)) return 1;
    }
    return 0;
}

static void in_child(void) {
    for (int i = 0; i < MAX_THREADS; i++) atomic_store(&threads[i], 0);
}

__attribute__((constructor)) static void begin(void) {
    char program[4096] = {0};
    const char *under = getenv("STORM_UNDER"), *us = getenv("STORM_PAUSE_US");
    if (!under || readlink("/proc/self/exe", program, sizeof program - 1) < 0) return;
    if (strncmp(program, under, strlen(under)) != 0) return;
    signal_number = lists(getenv("STORM_SPARED"), program) ? SIGPWR : SIGUSR1;
    pause_us = us ? atol(us) : 200;
    struct sigaction action = {0}, before;
    action.sa_handler = nothing;
    sigaction(signal_number, &action, &before);
    pthread_key_create(&at_end, leave);
    pthread_atfork(NULL, NULL, in_child);
    enter();
    sigset_t all, mine;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mine);
    real_create = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
    pthread_t thread;
    real_create(&thread, NULL, storm, NULL);
    pthread_sigmask(SIG_SETMASK, &mine, NULL);
}
