/* What a careless program does to the library: NULL everywhere, text that is none, structures of another age. It prints nothing if all is
 * well; each line says what is not. */
#include <mooring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong;
static const uint8_t KEY[][32] = {{
    0x8a, 0x88, 0xe3, 0xdd, 0x74, 0x09, 0xf1, 0x95, 0xfd, 0x52, 0xdb, 0x2d, 0x3c, 0xba, 0x5d, 0x72,
    0xca, 0x67, 0x09, 0xbf, 0x1d, 0x94, 0x12, 0x1b, 0xf3, 0x74, 0x88, 0x01, 0xb4, 0x0f, 0x6f, 0x5c,
}};

#define IS(what) \
    do { \
        if (!(what)) { \
            printf("line %d: %s; last: %d %s\n", __LINE__, #what, mooring_last_code(), mooring_last_error()); \
            wrong = 1; \
        } \
    } while (0)
/* Refused, with words that name `field`. */
#define INVALID(call, field) \
    do { \
        mooring_code code = (call); \
        IS(code == MOORING_INVALID && mooring_last_code() == code && strstr(mooring_last_error(), field)); \
        IS(!strcmp(mooring_last_reason(), "Argument")); \
    } while (0)

static void never(const mooring_state *s, void *user) {
    (void)s;
    (void)user;
    abort();
}

int main(void) {
    mooring *m = (mooring *)1;
    mooring_seat *s = (mooring_seat *)1;
    mooring_opts good = MOORING_OPTS_INIT(KEY, 1, "2026.1", "2026-03-01"), o;
    mooring_claim claim = MOORING_CLAIM_INIT("render");
    mooring_state state = MOORING_STATE_INIT;
    mooring_details details = MOORING_DETAILS_INIT;
    mooring_proof proof = MOORING_PROOF_INIT;
    mooring_item item = {0};
    char *json;

    IS(mooring_abi() == MOORING_ABI && mooring_abi_1() == 1 && strlen(mooring_version()) >= 5);
    IS(*mooring_last_error() == 0 && *mooring_last_reason() == 0 && mooring_last_code() == MOORING_OK);

    good.socket = "/nowhere/mooring.sock";
    IS(mooring_connect(&good, &m) == MOORING_NO_SIDECAR && m == NULL);
    IS(strstr(mooring_last_error(), "/nowhere/mooring.sock") && !strcmp(mooring_last_reason(), "NoSidecar"));
    INVALID(mooring_connect(NULL, &m), "opts");
    INVALID(mooring_connect(&good, NULL), "m:");
    o = good, o.size = 0;
    INVALID(mooring_connect(&o, &m), "MOORING_OPTS_INIT");
    o = good, o.size = UINT32_MAX;
    INVALID(mooring_connect(&o, &m), "size");
    o = good, o.vendor_keys = NULL;
    INVALID(mooring_connect(&o, &m), "opts.vendor_keys");
    o = good, o.vendor_keys_len = 0;
    INVALID(mooring_connect(&o, &m), "vendor keys");
    o = good, o.vendor_keys_len = 1000000;
    INVALID(mooring_connect(&o, &m), "opts.vendor_keys_len");
    o = good, o.app_version = "two words";
    INVALID(mooring_connect(&o, &m), "app_version");
    o = good, o.app_version = "\xff";
    INVALID(mooring_connect(&o, &m), "UTF-8");
    o = good, o.built_on = "yesterday";
    INVALID(mooring_connect(&o, &m), "built_on");
    o = good, o.socket = "\xc3(";
    INVALID(mooring_connect(&o, &m), "opts.socket");
    o = good, o.min_anchor = 7;
    INVALID(mooring_connect(&o, &m), "opts.min_anchor");
    o = good, o.allow_unverified_start = 3;
    INVALID(mooring_connect(&o, &m), "opts.allow_unverified_start");
    IS(m == NULL);

    /* An application that was compiled with a later header, whose new field it does not use, and then does. */
    struct {
        mooring_opts o;
        uint64_t later;
    } later = {good, 0};
    later.o.size = sizeof later;
    IS(mooring_connect(&later.o, &m) == MOORING_NO_SIDECAR);
    later.later = 1;
    INVALID(mooring_connect(&later.o, &m), "later library");

    /* Without an object. */
    INVALID(mooring_hold(NULL, "render", 1, 0, &s), "m:");
    IS(s == NULL);
    INVALID(mooring_hold(NULL, "render", 1, 0, NULL), "s:");
    INVALID(mooring_hold_claim(NULL, &claim, &s), "m:");
    INVALID(mooring_begin(NULL, &claim, &s), "m:");
    INVALID(mooring_begun(NULL), "s:");
    IS(!mooring_check(NULL) && mooring_last_code() == MOORING_INVALID);
    IS(mooring_fd(NULL) == -1 && mooring_last_code() == MOORING_INVALID);
    INVALID(mooring_get_state(NULL, &state), "s:");
    INVALID(mooring_get_details(NULL, &details), "s:");
    INVALID(mooring_poll(NULL), "s:");
    INVALID(mooring_wait(NULL, 0, -1), "s:");
    INVALID(mooring_on_change(NULL, never, NULL), "s:");
    INVALID(mooring_prove(NULL, "render", &proof), "m:");
    INVALID(mooring_status(NULL, &json), "m:");
    IS(json == NULL);
    INVALID(mooring_status(NULL, NULL), "json:");
    INVALID(mooring_put_claim(NULL, "x", &item, 1, 0), "m:");
    INVALID(mooring_delete_claim(NULL, "x"), "m:");
    mooring_release(NULL);
    mooring_close(NULL);
    mooring_free(NULL);

    INVALID(mooring_verify(NULL, "render", NULL, NULL, "{}", 2, NULL, &proof), "opts");
    INVALID(mooring_verify(&good, NULL, NULL, NULL, "{}", 2, NULL, &proof), "product");
    INVALID(mooring_verify(&good, "render", "\xff", NULL, "{}", 2, NULL, &proof), "nonce");
    INVALID(mooring_verify(&good, "render", NULL, NULL, NULL, 2, NULL, &proof), "bundle");
    INVALID(mooring_verify(&good, "render", NULL, NULL, "{}", (size_t)1 << 40, NULL, &proof), "len");
    IS(mooring_verify(&good, "render", NULL, NULL, "{}", 2, NULL, NULL) == MOORING_ANSWER);
    IS(mooring_verify(&good, "render", NULL, NULL, "", 0, NULL, NULL) == MOORING_ANSWER);
    INVALID(mooring_verify(&good, "render", NULL, "short", "{\"licenses\":[{\"payloadType\":\"\",\"payload\":\"\",\"signatures\":[]}],\"delegation\":{\"payloadType\":\"\",\"payload\":\"\",\"signatures\":[]},\"lease\":{\"payloadType\":\"\",\"payload\":\"\",\"signatures\":[]}}", 179, NULL, NULL), "bind");
    mooring_clock clock = MOORING_CLOCK_INIT(INT64_MAX);
    INVALID(mooring_verify(&good, "render", NULL, NULL, "{}", 2, &clock, NULL), "clock.now_ms");
    clock.now_ms = 0, clock.first_issued_ms = INT64_MIN;
    INVALID(mooring_verify(&good, "render", NULL, NULL, "{}", 2, &clock, NULL), "clock.first_issued_ms");
    clock.first_issued_ms = 0, clock.size = 7;
    INVALID(mooring_verify(&good, "render", NULL, NULL, "{}", 2, &clock, NULL), "MOORING_CLOCK_INIT");

    /* With a sidecar, if the test has one. */
    good.socket = getenv("MOORING_SOCKET");
    if (good.socket) {
        IS(mooring_connect(&good, &m) == MOORING_OK && *mooring_last_error() == 0 && mooring_last_code() == MOORING_OK);
        INVALID(mooring_hold(m, NULL, 1, 0, &s), "claim.product");
        INVALID(mooring_hold(m, "\xff", 1, 0, &s), "UTF-8");
        INVALID(mooring_hold(m, "Two Words", 1, 0, &s), "product");
        INVALID(mooring_hold(m, "render", UINT32_MAX, 0, &s), "seats");
        claim.kind = MOORING_NAMED;
        INVALID(mooring_hold_claim(m, &claim, &s), "claim.name");
        claim.kind = MOORING_POD, claim.name = "x";
        INVALID(mooring_hold_claim(m, &claim, &s), "claim.name");
        claim.kind = 9;
        INVALID(mooring_hold_claim(m, &claim, &s), "claim.kind");
        claim.kind = MOORING_NAMED, claim.with_thread = 3;
        INVALID(mooring_hold_claim(m, &claim, &s), "claim.with_thread");
        claim.size = 4;
        INVALID(mooring_hold_claim(m, &claim, &s), "MOORING_CLAIM_INIT");
        INVALID(mooring_hold_claim(m, NULL, &s), "claim");
        INVALID(mooring_put_claim(m, NULL, &item, 1, 0), "name");
        INVALID(mooring_put_claim(m, "..", &item, 1, 0), "name");
        INVALID(mooring_put_claim(m, "x", NULL, 1, 0), "items");
        INVALID(mooring_put_claim(m, "x", &item, 0, 0), "items_len");
        INVALID(mooring_put_claim(m, "x", &item, 1, 0), "items.product");
        item.product = "render", item.version = "two words";
        INVALID(mooring_put_claim(m, "x", &item, 1, 0), "items.version");
        INVALID(mooring_delete_claim(m, NULL), "name");
        INVALID(mooring_prove(m, NULL, NULL), "product");
        IS(mooring_status(m, &json) == MOORING_OK && json && strstr(json, "claims"));
        mooring_free(json);

        IS(mooring_hold(m, "render", 2, 0, &s) == MOORING_OK && s);
        INVALID(mooring_on_change(s, NULL, NULL), "f:");
        state.size = 3;
        INVALID(mooring_get_state(s, &state), "MOORING_STATE_INIT");
        INVALID(mooring_get_state(s, NULL), "state");
        INVALID(mooring_get_details(s, NULL), "details");
        /* A structure that is longer than the library's: the rest becomes zeros, and nothing behind it is touched. */
        struct {
            mooring_state s;
            uint64_t later, behind;
        } longer = {.later = 7, .behind = 7};
        longer.s.size = offsetof(__typeof__(longer), behind);
        IS(mooring_get_state(s, &longer.s) == MOORING_OK && longer.s.standing == MOORING_LICENSED);
        IS(longer.later == 0 && longer.behind == 7 && longer.s.size == offsetof(__typeof__(longer), behind));
        IS(mooring_check(s) && mooring_fd(s) >= 0 && mooring_poll(s) == MOORING_OK);
        state.size = sizeof state;
        IS(mooring_get_state(s, &state) == MOORING_OK && state.remaining_ms > 0 && state.until_boot_ms > state.remaining_ms && state.why == MOORING_WHY_NONE);
        IS(mooring_wait(s, state.changes, 20) == MOORING_AGAIN);
        IS(mooring_get_details(s, &details) == MOORING_OK && details.proved && details.proof.seats == 2 && details.proof.size == sizeof proof);
        mooring_close(m); /* a seat outlives it */
        IS(mooring_check(s));
        mooring_release(s);
    }
    for (uint32_t why = 0; why < 40; why++) {
        int known = why >= MOORING_WHY_NO_SERVER && why <= MOORING_WHY_CLOCK_OR_STALE;
        IS(known == (*mooring_why_name(why) != 0) && known == (*mooring_why_words(why) != 0) && known == (*mooring_why_action(why) != 0));
    }
    return wrong;
}
