/* A renderer that takes two seats, works as long as it is licensed, and saves in time.
 *
 *     cc -Iinclude -o render render.c -lmooring        # or libmooring.a -lpthread -ldl -lm -lgcc_s
 *     MOORING_SOCKET=/run/mooring/mooring.sock ./render 100
 */
#include <mooring.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The vendor's public key: the only source of trust. Compiled in, never read from the environment or a file. */
static const uint8_t VENDOR[][32] = {{
    0x8a, 0x88, 0xe3, 0xdd, 0x74, 0x09, 0xf1, 0x95, 0xfd, 0x52, 0xdb, 0x2d, 0x3c, 0xba, 0x5d, 0x72,
    0xca, 0x67, 0x09, 0xbf, 0x1d, 0x94, 0x12, 0x1b, 0xf3, 0x74, 0x88, 0x01, 0xb4, 0x0f, 0x6f, 0x5c,
}};

static int fail(void) {
    fprintf(stderr, "%s\n", mooring_last_error());
    return 2;
}

/* Called when the state changes; here from mooring_check(), because no thread was asked for. */
static void changed(const mooring_state *s, void *user) {
    (void)user;
    switch (s->standing) {
    case MOORING_LICENSED:
        puts("licensed");
        break;
    case MOORING_ENDING:
        printf("saving: %s, %llu s left\n", mooring_why_words(s->why), (unsigned long long)s->remaining_ms / 1000);
        break;
    default:
        printf("stopping: %s; %s\n", mooring_why_words(s->why), mooring_why_action(s->why));
    }
    fflush(stdout);
}

int main(int argc, char **argv) {
    int frames = argc > 1 ? atoi(argv[1]) : 10;
    mooring_opts opts = MOORING_OPTS_INIT(VENDOR, 1, "2026.1", "2026-03-01");
    mooring *m;
    mooring_seat *seat;

    if (mooring_connect(&opts, &m) != MOORING_OK) return fail();
    if (mooring_hold(m, "render", 2, 60000, &seat) != MOORING_OK) return fail();
    if (mooring_on_change(seat, changed, NULL) != MOORING_OK) return fail();
    for (int frame = 1; frame <= frames; frame++) {
        if (!mooring_check(seat)) {
            printf("not licensed at frame %d\n", frame);
            return 1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL); /* render */
        printf("frame %d\n", frame);
        fflush(stdout);
    }
    mooring_release(seat); /* and however else this process ends */
    mooring_close(m);
    return 0;
}
