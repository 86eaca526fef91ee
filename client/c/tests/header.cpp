// The header in C++: it compiles, warnings and all.
#include <mooring.h>

static const uint8_t KEY[][32] = {{1}};

int main() {
    mooring_opts o = MOORING_OPTS_INIT(KEY, 1, "2026.1", "2026-03-01");
    mooring_claim c = MOORING_CLAIM_INIT("render");
    mooring_state s = mooring_state();
    s.size = sizeof s;
    mooring *m = nullptr;
    mooring_seat *seat = nullptr;
    if (mooring_connect(&o, &m) == MOORING_OK && mooring_hold_claim(m, &c, &seat) == MOORING_OK) mooring_get_state(seat, &s);
    mooring_release(seat);
    mooring_close(m);
    return 0;
}
