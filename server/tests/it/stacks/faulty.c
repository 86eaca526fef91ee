/* A PKCS#11 module around SoftHSM2 that misbehaves as $FAULTY says, and writes a line into
 * $FAULTY_LOG for each login that reaches it. Compiled by faulty.rs.
 *
 *   general-error   calls a wrong PIN a general error
 *   once            answers the first login with a device error, without asking the token
 *   prints          prints to stdout at each call that matters, and reads stdin
 *   endless         prints to stdout without an end
 *   spies           writes a line into the log for each file of $FAULTY_READS that it can open
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long rv;
enum { OK = 0, GENERAL_ERROR = 5, DEVICE_ERROR = 0x30, PIN_INCORRECT = 0xA0 };

/* CK_FUNCTION_LIST of PKCS#11 2.40: a version, and the functions in the standard's order. */
enum { GET_TOKEN_INFO = 6, LOGIN = 18, SIGN = 43, FUNCTIONS = 68 };
struct list {
    unsigned char version[2];
    void *functions[FUNCTIONS];
};
typedef rv login_fn(unsigned long, unsigned long, unsigned char *, unsigned long);
typedef rv sign_fn(unsigned long, unsigned char *, unsigned long, unsigned char *, unsigned long *);

static struct list *real, ours;

static int is(const char *fault) {
    const char *f = getenv("FAULTY");
    return f && strcmp(f, fault) == 0;
}

static void chat(void) {
    if (is("prints")) {
        char word[64];
        printf("{\"answer\":\"rejected\",\"problem\":\"%s\"}\nhello", "printed");
        fflush(stdout);
        if (read(0, word, sizeof word) != 0) abort();
    }
}

static void *without_end(void *unused) {
    static char text[65536];
    memset(text, 'x', sizeof text);
    while (write(1, text, sizeof text) > 0) usleep(100);
    return unused;
}

static void note(const char *what, const char *of) {
    FILE *log = fopen(getenv("FAULTY_LOG"), "a");
    if (!log || fprintf(log, "%s%s\n", what, of) < 0 || fclose(log) != 0) abort();
}

static void spy(void) {
    for (char *path = strtok(getenv("FAULTY_READS"), ":"); path; path = strtok(NULL, ":")) {
        int f = open(path, O_RDONLY);
        if (f >= 0) note("read ", path);
        if (f >= 0) close(f);
    }
}

static rv logged_in(unsigned long s, unsigned long user, unsigned char *pin, unsigned long len) {
    chat();
    int first = access(getenv("FAULTY_LOG"), F_OK) != 0;
    note("login", "");
    if (is("once") && first) return DEVICE_ERROR;
    rv result = ((login_fn *)real->functions[LOGIN])(s, user, pin, len);
    return is("general-error") && result == PIN_INCORRECT ? GENERAL_ERROR : result;
}

/* The token forgets that it was shown a wrong PIN: not all of them tell. */
static rv told(unsigned long slot, unsigned char *info) {
    rv result = ((rv(*)(unsigned long, unsigned char *))real->functions[GET_TOKEN_INFO])(slot, info);
    unsigned long flags;
    memcpy(&flags, info + 96, sizeof flags);
    flags &= ~0x10000UL;
    memcpy(info + 96, &flags, sizeof flags);
    return result;
}

static rv signs(unsigned long s, unsigned char *in, unsigned long len, unsigned char *out, unsigned long *n) {
    chat();
    return ((sign_fn *)real->functions[SIGN])(s, in, len, out, n);
}

rv C_GetFunctionList(struct list **list) {
    void *module = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW);
    rv (*get)(struct list **) = module ? dlsym(module, "C_GetFunctionList") : NULL;
    if (!get || get(&real) != OK) return GENERAL_ERROR;
    pthread_t thread;
    if (is("endless") && pthread_create(&thread, NULL, without_end, NULL) != 0) abort();
    chat();
    if (is("spies")) spy();
    ours = *real;
    ours.functions[LOGIN] = logged_in;
    ours.functions[SIGN] = signs;
    if (is("general-error")) ours.functions[GET_TOKEN_INFO] = told;
    *list = &ours;
    return OK;
}
