/* Gives its seat back from within a callback: in mooring_poll(), or on the seat's thread if the argument is 1. */
#include <mooring.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t VENDOR[][32] = {{
    0x8a, 0x88, 0xe3, 0xdd, 0x74, 0x09, 0xf1, 0x95, 0xfd, 0x52, 0xdb, 0x2d, 0x3c, 0xba, 0x5d, 0x72,
    0xca, 0x67, 0x09, 0xbf, 0x1d, 0x94, 0x12, 0x1b, 0xf3, 0x74, 0x88, 0x01, 0xb4, 0x0f, 0x6f, 0x5c,
}};
static sem_t done;
static mooring_seat *seat;

static void changed(const mooring_state *s, void *user) {
    if (s->standing != MOORING_LICENSED) abort();
    mooring_release(seat);
    /* Freed with the seat by whoever gave it: nobody may call back any more. */
    free(user);
    sem_post(&done);
}

int main(int argc, char **argv) {
    mooring_opts o = MOORING_OPTS_INIT(VENDOR, 1, "2026.1", "2026-03-01");
    mooring_claim c = MOORING_CLAIM_INIT("render");
    mooring *m;
    c.seats = 2;
    c.with_thread = argc > 1 && argv[1][0] == '1';
    sem_init(&done, 0, 0);
    if (mooring_connect(&o, &m) || mooring_hold_claim(m, &c, &seat) || mooring_on_change(seat, changed, malloc(100))) {
        puts(mooring_last_error());
        return 1;
    }
    sem_wait(&done);
    mooring_close(m);
    puts("released");
    return 0;
}
