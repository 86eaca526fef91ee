/* Obeys commands from stdin, one a line, its words separated by tabs, and answers each with one line: the same as runner.py and
 * runner.rs do. The tests that speak to it are in sidecar/tests/it/languages and core/testdata/vectors.json. An empty word is NULL. */
#include <mooring.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 16, SEATS = 8 };

static mooring *m;
static mooring_seat *seats[SEATS];
static char heard[SEATS][4096];

static const char *anchor(uint32_t kind) {
    switch (kind) {
    case MOORING_ANCHOR_PKCS11: return "pkcs11";
    case MOORING_ANCHOR_USB: return "usb";
    case MOORING_ANCHOR_HWID: return "hwid";
    default: return "other";
    }
}

static void failed(mooring_code code) {
    if (code != mooring_last_code()) printf("the last code is another: %d, not %d\n", mooring_last_code(), code);
    else printf("error\t%s\t%s\n", mooring_last_reason(), mooring_last_error());
}

static void answer(mooring_code code) {
    if (code == MOORING_OK) puts("ok");
    else failed(code);
}

static size_t from_hex(const char *hex, uint8_t *to, size_t room) {
    size_t n = 0;
    unsigned byte;
    while (n < room && sscanf(hex + 2 * n, "%2x", &byte) == 1) to[n++] = (uint8_t)byte;
    return n;
}

/* The keys, and what else the application says of itself: keys, version, day, socket, hardware, unverified. */
static mooring_opts options(char **w, uint8_t keys[][32]) {
    size_t n = w[0] ? from_hex(w[0], keys[0], 8 * 32) / 32 : 0;
    mooring_opts o = MOORING_OPTS_INIT((const uint8_t(*)[32])keys, (uint32_t)n, w[1], w[2]);
    o.socket = w[3];
    o.min_anchor = w[4] ? MOORING_ANCHOR_HARDWARE : MOORING_ANCHOR_ANY;
    o.allow_unverified_start = w[5] ? 1 : 0;
    return o;
}

static void proof_line(const mooring_proof *p) {
    printf("ok\t%s\t%u\t%llu\t%d\t%s\t%d\t%u\t%d\t%d\t%s\t%s\n", p->lease, p->seats, (unsigned long long)p->run_for_ms / 1000, p->fresh,
           anchor(p->anchor), p->software, p->overdraft, p->test, p->emergency, p->license_id, p->issued_at);
}

static void state_line(const mooring_seat *s) {
    static const char *const names[] = {"unlicensed", "licensed", "ending"};
    mooring_state t = MOORING_STATE_INIT;
    mooring_code code = mooring_get_state(s, &t);
    if (code != MOORING_OK) failed(code);
    else printf("%s\t%s\t%llu\n", names[t.standing], mooring_why_name(t.why), (unsigned long long)t.remaining_ms);
}

static void changed(const mooring_state *s, void *user) {
    char *to = user;
    snprintf(to + strlen(to), sizeof heard[0] - strlen(to), "%d%s ", (int)s->standing, mooring_why_name(s->why));
}

static int tasks(void) {
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.';
    if (d) closedir(d);
    return n;
}

/* kind: own, pod, named. Words: slot, kind, product, seats, wait in ms, name, thread. */
static void hold(char **w, mooring_seat **seat) {
    mooring_claim c = MOORING_CLAIM_INIT(w[2]);
    c.kind = !strcmp(w[1], "pod") ? MOORING_POD : !strcmp(w[1], "named") ? MOORING_NAMED : MOORING_OWN;
    c.seats = (uint32_t)atoi(w[3]);
    c.wait_ms = w[4] ? atoll(w[4]) : 0;
    c.name = w[5];
    c.with_thread = w[6] ? 1 : 0;
    answer(mooring_hold_claim(m, &c, seat));
}

static void verify(char **w) {
    uint8_t keys[8][32];
    mooring_proof p = MOORING_PROOF_INIT;
    mooring_opts o = options(w, keys);
    /* product, nonce, bundle; now, date of the first proof, how long ago that was: in milliseconds; bind */
    mooring_clock c = MOORING_CLOCK_INIT(w[9] ? atoll(w[9]) : 0);
    c.first_issued_ms = w[10] ? atoll(w[10]) : 0;
    c.first_ago_ms = w[11] ? (uint64_t)atoll(w[11]) : 0;
    mooring_code code = mooring_verify(&o, w[6], w[7], w[12], w[8], strlen(w[8]), w[9] ? &c : NULL, &p);
    if (code == MOORING_OK) proof_line(&p);
    else failed(code);
}

static void fork_line(mooring_seat *s) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        /* The child's own look, and its own end of the copy. */
        state_line(s);
        fflush(stdout);
        mooring_release(s);
        _exit(mooring_check(NULL) ? 1 : 0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) puts("the child failed");
}

int main(void) {
    size_t room = 0;
    char *line = NULL;
    ssize_t len;
    while ((len = getline(&line, &room, stdin)) > 0) {
        char *w[WORDS] = {0}, *rest = line;
        line[len - 1] = 0;
        for (int i = 0; rest && i < WORDS; i++) {
            char *word = strsep(&rest, "\t");
            w[i] = *word ? word : NULL;
        }
        mooring_seat **s = &seats[w[1] ? atoi(w[1]) % SEATS : 0];
        char *text = heard[s - seats];
        if (!w[0]) puts("no command");
        else if (!strcmp(w[0], "connect")) {
            uint8_t keys[8][32];
            mooring_opts o = options(w + 1, keys);
            mooring_close(m);
            answer(mooring_connect(&o, &m));
        } else if (!strcmp(w[0], "hold")) hold(w + 1, s);
        else if (!strcmp(w[0], "state")) state_line(*s);
        else if (!strcmp(w[0], "check")) puts(mooring_check(*s) ? "yes" : "no");
        else if (!strcmp(w[0], "proof")) {
            mooring_details d = MOORING_DETAILS_INIT;
            mooring_code code = mooring_get_details(*s, &d);
            if (code != MOORING_OK) failed(code);
            else if (!d.proved) puts("none");
            else proof_line(&d.proof);
        } else if (!strcmp(w[0], "claim")) {
            mooring_details d = MOORING_DETAILS_INIT;
            mooring_code code = mooring_get_details(*s, &d);
            if (code != MOORING_OK) failed(code);
            else puts(d.claim);
        } else if (!strcmp(w[0], "prove")) {
            mooring_proof p = MOORING_PROOF_INIT;
            mooring_code code = mooring_prove(m, w[1], &p);
            if (code != MOORING_OK) failed(code);
            else proof_line(&p);
        } else if (!strcmp(w[0], "listen")) {
            *text = 0;
            answer(mooring_on_change(*s, changed, text));
        } else if (!strcmp(w[0], "heard")) printf("%s\n", text);
        else if (!strcmp(w[0], "wait")) {
            mooring_state t = MOORING_STATE_INIT;
            mooring_get_state(*s, &t);
            mooring_code code = mooring_wait(*s, t.changes, atoll(w[2]));
            if (code == MOORING_OK) state_line(*s);
            else failed(code);
        } else if (!strcmp(w[0], "put")) {
            mooring_item i = {.product = w[2], .seats = (uint32_t)atoi(w[3])};
            answer(mooring_put_claim(m, w[1], &i, 1, atoll(w[4])));
        } else if (!strcmp(w[0], "delete")) answer(mooring_delete_claim(m, w[1]));
        else if (!strcmp(w[0], "release")) {
            mooring_release(*s);
            *s = NULL;
            puts("ok");
        } else if (!strcmp(w[0], "fork")) fork_line(*s);
        else if (!strcmp(w[0], "threads")) printf("%d\n", tasks());
        else if (!strcmp(w[0], "verify")) verify(w + 1);
        else printf("unknown command %s\n", w[0]);
        fflush(stdout);
    }
    free(line);
    return 0;
}
