/* Mooring's client library for C: takes a seat from the sidecar, proves it with the vendor's keys alone, and says at any moment
 * whether the application may go on. docs/client-c.md tells the whole story. Made from client/c/src; do not edit.
 *
 * Rules for pointers. Text is UTF-8 and ends with a zero byte. A pointer that must not be NULL and is gives MOORING_INVALID. What a
 * function fills in or reads must be as large as its `size` says; the ..._INIT macros set it. An object is used from any thread, and
 * by several at a time, until it is released or closed; then by none. No function throws, prints, or ends the process.
 *
 * Forks. A child has no seat: there the state is MOORING_WHY_FORKED, and the parent's seat stays the parent's. Take one in the child.
 */

#ifndef MOORING_H
#define MOORING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 The version of this interface. It changes only if programs that were compiled before would not
 run any more; then the library's file has another name, too.
 */
#define MOORING_ABI 1

/*
 A seat of the application's own: given back with mooring_release(), or when the process ends,
 however.
 */
#define MOORING_OWN 0

/*
 What the pod holds by its annotation mooring.dev/licenses: followed and verified, never given
 back by the application.
 */
#define MOORING_POD 1

/* The claim of a name, made by mooring_put_claim(): followed and verified. */
#define MOORING_NAMED 2

/* Any anchor that the vendor's license lists. */
#define MOORING_ANCHOR_ANY 0

/* Only an anchor whose key cannot be copied out. */
#define MOORING_ANCHOR_HARDWARE 1

/* A kind that this version does not know. */
#define MOORING_ANCHOR_OTHER 0

/* A token that signs. */
#define MOORING_ANCHOR_PKCS11 1

/* A USB device that is there, and a software key. */
#define MOORING_ANCHOR_USB 2

/* A machine's identity, and a software key. */
#define MOORING_ANCHOR_HWID 3

/* Nothing ends it. */
#define MOORING_WHY_NONE 0

/* The sidecar lives, and has no contact with the license server. */
#define MOORING_WHY_NO_SERVER 1

/* The sidecar cannot be reached. */
#define MOORING_WHY_NO_SIDECAR 2

/* Nothing has proved the seat to this application yet. */
#define MOORING_WHY_UNPROVEN 3

/* The seat was given to another holder while there was no contact. */
#define MOORING_WHY_CONTESTED 4

/* The sidecar was away, and the seat was given back; it is being asked for anew. */
#define MOORING_WHY_GIVEN_BACK 5

/* No answer yet. */
#define MOORING_WHY_SEEKING 6

/* In line. */
#define MOORING_WHY_WAITING 7

/* The license server said no. */
#define MOORING_WHY_REFUSED 8

/* The lease was taken away. */
#define MOORING_WHY_LOST 9

/* Given back. */
#define MOORING_WHY_RELEASED 10

/* The limit passed without contact. */
#define MOORING_WHY_EXPIRED 11

/* The token does not verify. */
#define MOORING_WHY_NOT_VERIFIED 12

/* The token is for another lease. */
#define MOORING_WHY_OTHER_LEASE 13

/* The token is for fewer seats than were asked for. */
#define MOORING_WHY_FEWER_SEATS 14

/* This is a forked child; the seat is its parent's. */
#define MOORING_WHY_FORKED 15

/* Nothing here names this product. */
#define MOORING_WHY_NOT_ASKED 16

/* The license server's answer is dated more than a day from this machine's clock. */
#define MOORING_WHY_CLOCK_OR_STALE 17

/* How a call ended. Numbers never change; later versions may have more. */
typedef enum mooring_code {
  /* Done. */
  MOORING_OK = 0,
  /*
   An argument is malformed: NULL, not UTF-8, no product's name. mooring_last_error() says
   which.
   */
  MOORING_INVALID = 1,
  /* Nothing listens at the socket: the pod is not annotated, or this container is left out. */
  MOORING_NO_SIDECAR = 2,
  /* The sidecar did not answer in time. */
  MOORING_TIMEOUT = 3,
  /* The connection broke, or the system gave no descriptor, thread or random number. */
  MOORING_BROKEN = 4,
  /* The answer cannot be read. */
  MOORING_ANSWER = 5,
  /*
   The license server, or the sidecar, said no; mooring_last_reason() is the kind of problem,
   as "unknown-product".
   */
  MOORING_REFUSED = 6,
  /* Not licensed now; mooring_last_reason() is the claim's state, as "Waiting". */
  MOORING_NOT_LICENSED = 7,
  /* The sidecar says go on, and no license server confirms it. */
  MOORING_UNPROVEN = 8,
  /* What came does not verify: edited, replayed, of another vendor, product, version, lease. */
  MOORING_NOT_VERIFIED = 9,
  /* The seat is the parent's of this process; take one in the child. */
  MOORING_FORKED = 10,
  /* Not yet: ask again. No error. */
  MOORING_AGAIN = 11,
  /* A mistake of the library's own. */
  MOORING_INTERNAL = 12,
} mooring_code;

/* How an application stands with a seat. */
typedef enum mooring_standing {
  /* Not licensed: stop the licensed work. The seat goes on trying. */
  MOORING_UNLICENSED = 0,
  /* Licensed, and confirmed by the license server. */
  MOORING_LICENSED = 1,
  /* Still licensed, but nothing moves the limit on at present: save the work, tell the user. */
  MOORING_ENDING = 2,
} mooring_standing;

/* An application's keys and its way to the sidecar; from mooring_connect(). */
typedef struct mooring mooring;

/* A seat; from mooring_hold() and its like. */
typedef struct mooring_seat mooring_seat;

/*
 What an application says of itself. Begin with MOORING_OPTS_INIT, which sets the size; what is
 zero has its default.
 */
typedef struct mooring_opts {
  /* sizeof(mooring_opts), as the application was compiled. */
  uint32_t size;
  /* How many keys. */
  uint32_t vendor_keys_len;
  /* The vendor's Ed25519 public keys: the only source of trust. Compile them in. */
  const uint8_t (*vendor_keys)[32];
  /* The application's version, which the license must cover; NULL: no version is checked. */
  const char *app_version;
  /*
   The day of the release, "2026-03-01"; maintenance must not have ended before it. NULL: not
   checked.
   */
  const char *built_on;
  /*
   The sidecar's socket; NULL: what $MOORING_SOCKET names, else /run/mooring/mooring.sock. A
   way to the sidecar, no source of trust.
   */
  const char *socket;
  /* MOORING_ANCHOR_ANY or MOORING_ANCHOR_HARDWARE. */
  uint32_t min_anchor;
  /*
   1: a seat may start on the sidecar's word while no license server is in reach, for at most
   the grace. 0: it may not. 2: it may with a voucher that one of the vendor keys has signed.
   */
  uint32_t allow_unverified_start;
} mooring_opts;

/*
 A lease that verified: signed by the anchored server under the vendor's license, for this
 application. Set size to sizeof(mooring_proof), or begin with MOORING_PROOF_INIT.
 */
typedef struct mooring_proof {
  /* sizeof(mooring_proof), as the application was compiled. */
  uint32_t size;
  /* Seats of the product. */
  uint32_t seats;
  /* Seats over what was sold. */
  uint32_t overdraft;
  /* One of MOORING_ANCHOR_PKCS11, _USB, _HWID. */
  uint32_t anchor;
  /* 1: the anchor's key can be copied. */
  uint32_t software;
  /* 1: it answers the application's own question, and so is no replay. */
  uint32_t fresh;
  /* 1: the license is one for tests. */
  uint32_t test;
  /* 1: the license is one for an emergency: until a broken anchor is replaced. */
  uint32_t emergency;
  /*
   How long the application may go on without contact, in milliseconds: from the asking if
   fresh.
   */
  uint64_t run_for_ms;
  /* The lease, in 32 hexadecimal digits. */
  char lease[40];
  /*
   When the token was made by the server's clock, as "2026-06-01T12:05:00Z"; "" in
   mooring_details.
   */
  char issued_at[40];
  /* The license's id. */
  char license_id[256];
} mooring_proof;

/* A product and seats of it, for mooring_put_claim(). */
typedef struct mooring_item {
  /* The product, by its name in the license; case does not matter. */
  const char *product;
  /* The version to ask for; NULL: none. */
  const char *version;
  /* How many seats; 0 is 1. */
  uint32_t seats;
  /* 0. */
  uint32_t reserved;
} mooring_item;

/*
 The clocks by which a chain's date is judged, where they are not this machine's. Set size to
 sizeof(mooring_clock), or begin with MOORING_CLOCK_INIT.
 */
typedef struct mooring_clock {
  /* sizeof(mooring_clock), as the application was compiled. */
  uint32_t size;
  /* Nothing. */
  uint32_t reserved;
  /* The wall clock, in milliseconds since 1970 (UTC). */
  int64_t now_ms;
  /* The date of the first fresh proof of the process, in the same way; 0: there was none. */
  int64_t first_issued_ms;
  /* How long ago that was, in milliseconds of the boot clock. */
  uint64_t first_ago_ms;
} mooring_clock;

/*
 What is asked for. Begin with MOORING_CLAIM_INIT, which sets the size; what is zero has its
 default.
 */
typedef struct mooring_claim {
  /* sizeof(mooring_claim), as the application was compiled. */
  uint32_t size;
  /* How many seats; 0 is 1. */
  uint32_t seats;
  /* The product, by its name in the license; case does not matter. */
  const char *product;
  /* The version to ask for, if the license server is to tell them apart; NULL: none. */
  const char *version;
  /* The claim's name, for MOORING_NAMED alone; else NULL. */
  const char *name;
  /*
   How long to wait for a free seat and for its proof, in milliseconds. 0: not at all for a
   seat, 20 s for an answer. Negative: for ever.
   */
  int64_t wait_ms;
  /* MOORING_OWN, MOORING_POD or MOORING_NAMED. */
  uint32_t kind;
  /*
   1: a thread named "mooring" drives the seat. 0: no thread; mooring_check(), mooring_poll()
   and mooring_wait() do.
   */
  uint32_t with_thread;
} mooring_claim;

/* How it stands now. Set size to sizeof(mooring_state), or begin with MOORING_STATE_INIT. */
typedef struct mooring_state {
  /* sizeof(mooring_state), as the application was compiled. */
  uint32_t size;
  /* Licensed, ending, or not. */
  enum mooring_standing standing;
  /* Why it ends or has ended, one of MOORING_WHY_…; MOORING_WHY_NONE while it is licensed. */
  uint32_t why;
  /* Nothing. */
  uint32_t reserved;
  /* Until when, in milliseconds of the boot clock (CLOCK_BOOTTIME); 0 if it is not licensed. */
  uint64_t until_boot_ms;
  /* The same from now. */
  uint64_t remaining_ms;
  /* Grows with each change; for mooring_wait(). */
  uint64_t changes;
} mooring_state;

/* More about a seat. Set size to sizeof(mooring_details), or begin with MOORING_DETAILS_INIT. */
typedef struct mooring_details {
  /* sizeof(mooring_details), as the application was compiled. */
  uint32_t size;
  /* The place in line, from 1; 0 if it is in none. */
  uint32_t place;
  /* The claim's name; "" if it has none yet. */
  char claim[64];
  /* What the sidecar says of it, unverified: "Held", "Grace", "Waiting", …; "" if nothing yet. */
  char told[32];
  /* What happened, in words, where there is something to say; else "". */
  char message[512];
  /* 1: proof is the last token that verified. 0: none has yet. */
  uint32_t proved;
  /* Nothing. */
  uint32_t reserved;
  /* The last token that verified. */
  struct mooring_proof proof;
} mooring_details;

/* Is told of each change of a seat; `user` is what was given with it. */
typedef void (*mooring_changed)(const struct mooring_state *state, void *user);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* The library's version, as in `"0.1.0"`. It need not be freed. */
const char *mooring_version(void);

/* The interface that the library at hand has: MOORING_ABI of its own header. */
uint32_t mooring_abi(void);

/*
 Is there in a library of this interface, and in no other: to be looked up by programs that load
 the library at run time.
 */
uint32_t mooring_abi_1(void);

/*
 What went wrong in this thread's last call, in words for people; "" after one that succeeded.
 Never NULL. It lives until this thread's next call of the library, and need not be freed.
 */
const char *mooring_last_error(void);

/*
 The same as a short reason for programs: "LicenseExpired", "LeaseNonce", "unknown-product",
 "Waiting", …; "" if there is none.
 */
const char *mooring_last_reason(void);

/* The same as a code, for calls that do not give one; MOORING_OK if there is none. */
enum mooring_code mooring_last_code(void);

/*
 Checks what the application says of itself, and that the sidecar answers. `*m` is to be closed
 with mooring_close(); it is NULL unless the call succeeds.
 */
enum mooring_code mooring_connect(const struct mooring_opts *opts, struct mooring **m);

/* Ends what mooring_connect() began. Seats that were taken with it stay. NULL is nothing. */
void mooring_close(struct mooring *m);

/*
 Asks the license server through the sidecar whether the pod's claim has this product, with a
 question it cannot have been asked before, and verifies the answer. If the license server is out
 of reach the sidecar's last token is verified instead, and `proof->fresh` is 0. Waits for the
 answer, at most 15 s. `proof` may be NULL.
 */
enum mooring_code mooring_prove(const struct mooring *m, const char *product, struct mooring_proof *proof);

/*
 How all claims stand, as the sidecar says: the JSON of GET /v1/status, unverified. `*json` is to
 be freed with mooring_free(); it is NULL unless the call succeeds.
 */
enum mooring_code mooring_status(const struct mooring *m, char **json);

/* Frees the text of mooring_status(). NULL is nothing. */
void mooring_free(char *text);

/*
 Asks for seats under a name, until mooring_delete_claim(); waits at most `wait_ms` until they
 are held or refused (negative: for ever). Asking again for the same changes nothing.
 MOORING_AGAIN: they are still waited for. Not verified: follow it with a mooring_claim of kind
 MOORING_NAMED.
 */
enum mooring_code mooring_put_claim(const struct mooring *m,
                                    const char *name,
                                    const struct mooring_item *items,
                                    size_t items_len,
                                    int64_t wait_ms);

/* Gives the seats of a name back. One that is not there is given back already. */
enum mooring_code mooring_delete_claim(const struct mooring *m, const char *name);

/*
 Verifies a chain that came from anywhere, offline, with the vendor's keys alone: license,
 anchor, delegation, lease, product, this application's version and day. `bundle` is the JSON of
 GET /v1/token, `len` bytes; with a `nonce` it must answer that one (NULL: it need not), and with
 a `bind` be the seat of who sent that with POST /v1/hold?bind=… (NULL: it may be anybody's). Its
 date is judged by `clock` (NULL: by this machine's). `proof` may be NULL. MOORING_NOT_VERIFIED:
 mooring_last_reason() says at which link.
 */
enum mooring_code mooring_verify(const struct mooring_opts *opts,
                                 const char *product,
                                 const char *nonce,
                                 const char *bind,
                                 const char *bundle,
                                 size_t len,
                                 const struct mooring_clock *clock,
                                 struct mooring_proof *proof);

/*
 Takes seats of a product and waits for them, at most `wait_ms`: 0 not at all for a free seat
 (and 20 s for an answer), negative for ever. It returns once the license server's answer to a
 question of the library's own has verified. No thread is started: mooring_check(),
 mooring_poll() and mooring_wait() drive the seat, so call one of them each second or so. `*s` is
 to be given back with mooring_release(); it is NULL unless the call succeeds.
 */
enum mooring_code mooring_hold(const struct mooring *m, const char *product, uint32_t seats, int64_t wait_ms, struct mooring_seat **s);

/* The same for whatever a mooring_claim can say: the pod's seats, those of a name, a thread. */
enum mooring_code mooring_hold_claim(const struct mooring *m, const struct mooring_claim *c, struct mooring_seat **s);

/*
 Asks for the seat and waits for nothing, for event loops: `*s` is there at once, not licensed
 yet. Call mooring_begun() whenever mooring_fd() is readable, until it says something else than
 MOORING_AGAIN.
 */
enum mooring_code mooring_begin(const struct mooring *m, const struct mooring_claim *c, struct mooring_seat **s);

/*
 Does what can be done without waiting, and says how the asking of mooring_begin() stands:
 MOORING_OK once the seat is held and proved, MOORING_AGAIN before, an error if it failed or the
 waiting time is over. After an error release the seat.
 */
enum mooring_code mooring_begun(const struct mooring_seat *s);

/*
 Whether the application may go on now. Never waits: it reads a number and the boot clock, well
 under a microsecond; where no thread drives the seat it also looks at the socket, ten times a
 second at most. After the last known limit it is false, whoever drives the seat or not. NULL:
 false.
 */
bool mooring_check(const struct mooring_seat *s);

/* How the seat stands now, with reason and limit. As mooring_check() it never waits. */
enum mooring_code mooring_get_state(const struct mooring_seat *s, struct mooring_state *state);

/* What else is known of the seat. */
enum mooring_code mooring_get_details(const struct mooring_seat *s, struct mooring_details *details);

/*
 The descriptor that is readable when mooring_poll() has something to do; its timers are in
 there, too. For poll(), epoll and every event loop; it must be neither read nor closed, and
 lives as long as the seat. Negative on an error.
 */
int mooring_fd(const struct mooring_seat *s);

/*
 Does what can be done without waiting, and calls back whoever is to be told. For a seat without
 a thread: whenever its descriptor is readable.
 */
enum mooring_code mooring_poll(const struct mooring_seat *s);

/*
 Waits until the seat has changed since `changes` (of a mooring_state), at most `wait_ms`;
 negative is for ever. MOORING_AGAIN: it has not. It drives a seat without a thread meanwhile.
 */
enum mooring_code mooring_wait(const struct mooring_seat *s, uint64_t changes, int64_t wait_ms);

/*
 Calls `f` with the present state and then at each change of it: on the seat's thread, where
 there is one (so what `user` points to must bear that), else in mooring_poll(), mooring_check()
 and mooring_wait(). It may call anything here, mooring_release() too; it must not longjmp or
 throw. After mooring_release() it is not called any more.
 */
enum mooring_code mooring_on_change(const struct mooring_seat *s, mooring_changed f, void *user);

/*
 Gives the seat back. A callback that runs in another thread is waited for. In a forked child it
 frees the copy alone. NULL is nothing.
 */
void mooring_release(struct mooring_seat *s);

/*
 The reason's name, the same in every client library: "NoServer", …; "" for MOORING_WHY_NONE. It
 need not be freed.
 */
const char *mooring_why_name(uint32_t why);

/* The reason in words for people. It need not be freed. */
const char *mooring_why_words(uint32_t why);

/* What the user can do about it. It need not be freed. */
const char *mooring_why_action(uint32_t why);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
#define MOORING_OPTS_INIT(keys, keys_len, version, built) {sizeof(mooring_opts), (keys_len), (keys), (version), (built), 0, 0, 0}
#define MOORING_CLAIM_INIT(product) {sizeof(mooring_claim), 1, (product), 0, 0, 0, MOORING_OWN, 0}
#ifdef __cplusplus
#define MOORING_STATE_INIT {sizeof(mooring_state)}
#define MOORING_DETAILS_INIT {sizeof(mooring_details)}
#define MOORING_PROOF_INIT {sizeof(mooring_proof)}
#define MOORING_CLOCK_INIT(now) {sizeof(mooring_clock), 0, (now), 0, 0}
#else
#define MOORING_STATE_INIT {.size = sizeof(mooring_state)}
#define MOORING_DETAILS_INIT {.size = sizeof(mooring_details)}
#define MOORING_PROOF_INIT {.size = sizeof(mooring_proof)}
#define MOORING_CLOCK_INIT(now) {.size = sizeof(mooring_clock), .now_ms = (now)}
#endif

#endif  /* MOORING_H */
