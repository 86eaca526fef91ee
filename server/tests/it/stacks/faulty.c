/* A PKCS#11 module around SoftHSM2 that misbehaves as $FAULTY says, and writes a line into
 * $FAULTY_LOG for each login that reaches it. Compiled by faulty.rs.
 *
 *   calls:CODE      answers a wrong PIN with this code; the token forgets that it was shown one
 *   counts:CODE     the same, but the token says that it was shown one
 *   gone            says that the token was removed, at each of the first four logins, without asking it;
 *                   then the slot is empty
 *   logged-in       logs in, and says that this was so before
 *   once            answers the first login with a device error, without asking the token
 *   prints          prints to stdout at each call that matters, and reads stdin
 *   endless         prints to stdout without an end
 *   floods          prints lines to stderr without an end
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
enum { OK = 0, GENERAL_ERROR = 5, DEVICE_ERROR = 0x30, DEVICE_REMOVED = 0x32, PIN_INCORRECT = 0xA0, ALREADY_LOGGED_IN = 0x100 };

/* CK_FUNCTION_LIST of PKCS#11 2.40: a version, and the functions in the standard's order. */
enum { GET_SLOT_INFO = 5, GET_TOKEN_INFO = 6, LOGIN = 18, SIGN = 43, FUNCTIONS = 68 };
struct list {
    unsigned char version[2];
    void *functions[FUNCTIONS];
};
typedef rv login_fn(unsigned long, unsigned long, unsigned char *, unsigned long);
typedef rv sign_fn(unsigned long, unsigned char *, unsigned long, unsigned char *, unsigned long *);

static struct list *real, ours;
static int gone;

static int is(const char *fault) {
    const char *f = getenv("FAULTY");
    return f && strcmp(f, fault) == 0;
}

/* The number behind this fault's name; 0 if it is another. */
static rv code(const char *fault) {
    const char *f = getenv("FAULTY");
    size_t n = strlen(fault);
    return f && strncmp(f, fault, n) == 0 ? strtoul(f + n, NULL, 16) : 0;
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
    for (size_t i = 4095; is("floods") && i < sizeof text; i += 4096) text[i] = '\n';
    while (write(is("floods") ? 2 : 1, text, sizeof text) > 0) usleep(100);
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

/* How many logins there were before this one. */
static int logins(void) {
    int n = 0, c;
    FILE *log = fopen(getenv("FAULTY_LOG"), "r");
    while (log && (c = getc(log)) != EOF) n += c == '\n';
    if (log) fclose(log);
    return n;
}

static rv logged_in(unsigned long s, unsigned long user, unsigned char *pin, unsigned long len) {
    chat();
    int before = logins();
    note("login", "");
    if (is("once") && before == 0) return DEVICE_ERROR;
    gone = is("gone") && before < 4;
    if (gone) return DEVICE_REMOVED;
    rv result = ((login_fn *)real->functions[LOGIN])(s, user, pin, len);
    if (is("logged-in") && result == OK) return ALREADY_LOGGED_IN;
    rv called = code("calls:") | code("counts:");
    return called && result == PIN_INCORRECT ? called : result;
}

/* A CK_SLOT_INFO or CK_TOKEN_INFO without this flag. */
static rv without(int function, unsigned long slot, unsigned char *info, size_t at, unsigned long flag) {
    rv result = ((rv(*)(unsigned long, unsigned char *))real->functions[function])(slot, info);
    unsigned long flags;
    memcpy(&flags, info + at, sizeof flags);
    flags &= ~flag;
    memcpy(info + at, &flags, sizeof flags);
    return result;
}

/* The token forgets that it was shown a wrong PIN: not all of them tell. */
static rv told(unsigned long slot, unsigned char *info) {
    return without(GET_TOKEN_INFO, slot, info, 96, 0x10000UL);
}

static rv in_slot(unsigned long slot, unsigned char *info) {
    return without(GET_SLOT_INFO, slot, info, 96, gone ? 1UL : 0);
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
    if ((is("endless") || is("floods")) && pthread_create(&thread, NULL, without_end, NULL) != 0) abort();
    chat();
    if (is("spies")) spy();
    ours = *real;
    ours.functions[LOGIN] = logged_in;
    ours.functions[SIGN] = signs;
    ours.functions[GET_SLOT_INFO] = in_slot;
    if (code("calls:")) ours.functions[GET_TOKEN_INFO] = told;
    *list = &ours;
    return OK;
}
