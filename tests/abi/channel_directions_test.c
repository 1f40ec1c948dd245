/* The directions of a stream are independent (RFC 9000 §3): every order of data, FIN, RESET_STREAM and
 * STOP_SENDING of both sides, on streams of either side and of both kinds, against a small model of the RFC.
 *
 * Steps are taken one at a time, each is awaited where it is to be heard; or all at once, where only the end
 * can be foretold. All orders of two steps are tried, and random longer ones. KNUL_TEST_SEED=n runs one seed,
 * KNUL_TEST_SEEDS=n the seeds 1 to n. */
#define _GNU_SOURCE
#include "consumer.h"
#include "fixture.h"
#include "peer.h"

enum { kPeer, kProgram, kSides };
enum { kData, kFin, kReset, kStop, kKinds };
enum { kBatch = 40, kMostSteps = 8, kBytes = 16, kSlots = 1 << 20 };

typedef struct Step {
  int side, kind;
} Step;

/* The direction in which a side sends. What is certain, and what is only possible: after a FIN has arrived, a
 * RESET_STREAM or STOP_SENDING may cross the acknowledgement, or be left out (RFC 9000 §3.1, §3.2). */
typedef struct Way {
  int exists;
  uint64_t sent;
  int is_fin, is_reset, is_stopped; /* by a step that met the direction open */
  int may_reset, may_stop;          /* by a step that came after the FIN */
  uint64_t reset_code, stop_code;
} Way;

typedef struct Run {
  int opener, is_unidirectional, is_awaited;
  int steps;
  Step step[kMostSteps];
  int64_t id; /* -1 until it is known */
  uint32_t stream;
  Way way[kSides];
  /* What the program was told. */
  uint64_t received;
  int events, is_wrong, has_fin, has_reset, has_stop, is_closed, is_clean;
  uint64_t reset_code, stop_code;
} Run;

static uint64_t server, random_state;
static Consumer consumer;
static Peer* peer;
static uint32_t connection, opened_by_program;
static Run runs[kBatch];
static Run* by_slot[kSlots];
static uint32_t tried;

static uint32_t channel(void) { return consumer.region.channel; }

static uint32_t random_below(uint32_t limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 33) % limit;
}

static void describe(const Run* run, const char* what) {
  static const char* const kNames[kKinds] = {"data", "FIN", "RESET", "STOP"};
  ++check_failures;
  fprintf(stderr, "%s: %s stream of the %s, %s:", what,
          run->is_unidirectional ? "unidirectional" : "bidirectional",
          run->opener == kPeer ? "peer" : "program", run->is_awaited ? "step by step" : "at once");
  for (int i = 0; i < run->steps; ++i) {
    fprintf(stderr, " %s of the %s,", kNames[run->step[i].kind],
            run->step[i].side == kPeer ? "peer" : "program");
  }
  const PeerStream seen = run->id >= 0 ? peer_look(peer, run->id) : (PeerStream){0};
  fprintf(stderr,
          "\n  program: %d of %d bytes, fin %d, reset %d, stop %d, closed %d, clean %d; peer: %d of %d "
          "bytes, fin %d, "
          "reset %d, stop %d, closed %d\n",
          (int)run->received, (int)run->way[kPeer].sent, run->has_fin, run->has_reset, run->has_stop,
          run->is_closed, run->is_clean, (int)seen.received, (int)run->way[kProgram].sent, seen.has_fin,
          seen.has_reset, seen.has_stop, seen.is_closed);
}

static void demand(int is_well, const Run* run, const char* what) {
  if (!is_well) {
    describe(run, what);
  }
}

/* --- Events. */

static Run* run_of(const FfiEvent* event) {
  Run** const place = &by_slot[event->stream & (kSlots - 1)];
  for (int i = 0; i < kBatch && *place == NULL; ++i) {
    if (runs[i].id >= 0 && runs[i].opener == kPeer && event->stream_id == (double)runs[i].id) {
      *place = &runs[i];
      runs[i].stream = event->stream;
    }
  }
  return *place;
}

static void note(const FfiEvent* event) {
  if (event->stream == 0) {
    return;
  }
  Run* const run = run_of(event);
  REQUIRE(run != NULL);
  const int is_first = run->events++ == 0 && run->opener == kPeer;
  run->is_wrong |=
      is_first != ((event->flags & KREPIS_FLAG_OPENED) != 0 && event->type != KREPIS_EVENT_STREAM_CLOSED);
  run->is_wrong |= run->is_closed || event->stream != run->stream;
  switch (event->type) {
    case KREPIS_EVENT_STREAM_DATA:
      run->is_wrong |= run->has_fin || run->has_reset;
      for (uint32_t i = 0; i < event->length; ++i) {
        run->is_wrong |= consumer_bytes(&consumer, event)[i] != peer_pattern(run->received + i);
      }
      run->received += event->length;
      run->has_fin |= (event->flags & KREPIS_FLAG_FIN) != 0;
      break;
    case KREPIS_EVENT_STREAM_RESET:
      run->is_wrong |= run->has_fin || run->has_reset;
      run->has_reset = 1;
      run->reset_code = event->code;
      break;
    case KREPIS_EVENT_STOP_SENDING:
      run->is_wrong |= run->has_stop;
      run->has_stop = 1;
      run->stop_code = event->code;
      break;
    case KREPIS_EVENT_STREAM_OPENED:
      run->id = (int64_t)event->stream_id;
      break;
    case KREPIS_EVENT_STREAM_CLOSED:
      run->is_closed = 1;
      run->is_clean = (event->flags & KREPIS_FLAG_CLEAN) != 0;
      by_slot[event->stream & (kSlots - 1)] = NULL;
      break;
    default:
      break;
  }
}

static void take_events(void) {
  FfiEvent event;
  while (consumer_poll(&consumer, &event)) {
    note(&event);
    consumer_release(&consumer, &event);
  }
}

/* Waits until *number is at least `least`; whether it is. */
static int await_64(const uint64_t* number, uint64_t least) {
  const double begin = seconds_now();
  for (take_events(); *number < least && seconds_now() - begin < 20; take_events()) {
    krepis_channel_wait(channel(), 1000);
  }
  return *number >= least;
}
static int await(const int* flag) {
  const double begin = seconds_now();
  for (take_events(); !*flag && seconds_now() - begin < 20; take_events()) {
    krepis_channel_wait(channel(), 1000);
  }
  return *flag;
}

/* --- The model. */

static int is_open(const Way* way) {
  return way->exists && !way->is_fin && !way->is_reset && !way->is_stopped;
}

/* 1: the step meets an open direction, and is to be heard at the other end. */
static int apply(Run* run, const Step* step, uint64_t code) {
  const int sender = step->kind == kStop ? !step->side : step->side;
  Way* const way = &run->way[sender];
  if (!is_open(way)) {
    way->may_reset |= step->kind == kReset && way->is_fin;
    way->may_stop |= step->kind == kStop && way->is_fin;
    return 0;
  }
  switch (step->kind) {
    case kData:
      way->sent += kBytes;
      break;
    case kFin:
      way->is_fin = 1;
      break;
    case kReset:
      way->is_reset = 1;
      way->reset_code = code;
      break;
    default:
      way->is_stopped = 1;
      way->stop_code = code;
      break;
  }
  return 1;
}

static int has_side(const Run* run, int side, int kind) {
  const int sender = kind == kStop ? !side : side;
  return !run->is_unidirectional || sender == run->opener;
}

/* --- Steps. */

static int32_t write_program(const Run* run, uint64_t from, uint32_t length, uint32_t flags) {
  uint8_t bytes[kBytes];
  for (uint32_t i = 0; i < length; ++i) {
    bytes[i] = peer_pattern(from + i);
  }
  return krepis_stream_write(channel(), run->stream, bytes, length, flags);
}

static void step_of_program(Run* run, const Step* step, int is_open_way, uint64_t code) {
  const Way* const way = &run->way[kProgram];
  int32_t result = 0;
  switch (step->kind) {
    case kData:
      result = write_program(run, way->sent - (is_open_way ? kBytes : 0), kBytes, 0);
      break;
    case kFin:
      result = write_program(run, 0, 0, KREPIS_WRITE_FIN);
      break;
    case kReset:
      result = -(int32_t)krepis_stream_reset(channel(), run->stream, code);
      break;
    default:
      result = -(int32_t)krepis_stream_stop_sending(channel(), run->stream, code);
      break;
  }
  const int is_write = step->kind == kData || step->kind == kFin;
  const int is_refused = result == -KREPIS_INVALID_POINTER || (is_write && result == -KREPIS_INVALID_CONTEXT);
  const int is_done = result == (step->kind == kData ? kBytes : 0);
  if (!run->is_awaited) {
    demand(is_done || is_refused, run, "a call answered something else");
  } else if (is_open_way) {
    demand(is_done, run, "a call on an open direction was refused");
  } else { /* reset and stop_sending have no effect then, and say so by success */
    demand(is_refused || (!is_write && is_done), run, "a write on a direction that is over was taken");
  }
}

static void step_of_peer(Run* run, const Step* step, int is_open_way, uint64_t code) {
  if (!is_open_way && step->kind <= kFin) {
    return; /* the client would refuse it; here it is about what the server does */
  }
  switch (step->kind) {
    case kData:
      CHECK_EQUAL(peer_write(peer, run->id, kBytes, 0), 0);
      break;
    case kFin:
      CHECK_EQUAL(peer_write(peer, run->id, 0, 1), 0);
      break;
    case kReset:
      CHECK_EQUAL(peer_reset(peer, run->id, code), 0);
      break;
    default:
      CHECK_EQUAL(peer_stop_sending(peer, run->id, code), 0);
      break;
  }
}

/* The step was heard at the other end, with its code. */
static int is_heard(Run* run, const Step* step, uint64_t code) {
  const Way* const way = &run->way[step->side];
  uint64_t told = code, length = 0;
  int is_well = 0;
  if (step->side == kPeer) {
    switch (step->kind) {
      case kData:
        return await_64(&run->received, way->sent);
      case kFin:
        return await(&run->has_fin) && run->received == way->sent;
      case kReset:
        return await(&run->has_reset) && run->reset_code == code;
      default:
        return await(&run->has_stop) && run->stop_code == code;
    }
  }
  switch (step->kind) {
    case kData:
      return peer_wait_bytes(peer, run->id, way->sent) == 0;
    case kFin:
      return peer_wait_fin(peer, run->id, &length) == 0 && length == way->sent;
    case kReset:
      is_well = peer_wait_reset(peer, run->id, &told) == 0;
      break;
    default:
      is_well = peer_wait_stop_sending(peer, run->id, &told) == 0;
      break;
  }
  return is_well && told == code;
}

static void take_step(Run* run, const Step* step) {
  const uint64_t code = 1000 + random_below(1000);
  const int is_open_way = apply(run, step, code);
  if (step->side == kPeer) {
    step_of_peer(run, step, is_open_way, code);
  } else {
    step_of_program(run, step, is_open_way, code);
  }
  if (run->is_awaited && is_open_way) {
    demand(is_heard(run, step, code), run, "a step was not heard at the other end");
  }
}

/* --- The whole of a stream. */

static void open_stream(Run* run) {
  for (int side = 0; side < kSides; ++side) {
    run->way[side].exists = !run->is_unidirectional || side == run->opener;
  }
  if (run->opener == kPeer) {
    run->id = peer_open(peer, run->is_unidirectional);
    REQUIRE(run->id >= 0);
    return;
  }
  const int32_t stream = krepis_stream_open(channel(), connection, (uint32_t)run->is_unidirectional);
  REQUIRE(stream > 0);
  run->stream = (uint32_t)stream;
  by_slot[run->stream & (kSlots - 1)] = run;
  const double begin = seconds_now();
  for (take_events(); run->id < 0; take_events()) {
    REQUIRE(seconds_now() - begin < 20);
    krepis_channel_wait(channel(), 1000);
  }
}

/* A side knows of the other's stream when it has heard the first frame. */
static void await_first(Run* run) {
  if (run->opener == kPeer) {
    const double begin = seconds_now();
    for (take_events(); run->events == 0; take_events()) {
      REQUIRE(seconds_now() - begin < 20);
      krepis_channel_wait(channel(), 1000);
    }
  } else {
    CHECK(peer_wait_opened(peer, opened_by_program) >= 0);
    ++opened_by_program;
  }
}

static void play(Run* run) {
  open_stream(run);
  for (int i = 0; i < run->steps; ++i) {
    take_step(run, &run->step[i]);
    if (i == 0) {
      await_first(run);
    }
  }
  /* Whatever is still open goes on and ends well: no step of one direction has harmed the other. */
  for (int side = 0; side < kSides; ++side) {
    if (is_open(&run->way[side])) {
      take_step(run, &(Step){side, kData});
      take_step(run, &(Step){side, kFin});
    }
  }
}

static void judge_way(const Run* run, int sender, uint64_t received, int has_fin, int has_reset,
                      int has_stop) {
  const Way* const way = &run->way[sender];
  const int is_certain =
      run->is_awaited || (!way->is_reset && !way->is_stopped && !way->may_reset && !way->may_stop);
  if (!way->exists) {
    demand(received == 0 && !has_fin && !has_reset && !has_stop, run,
           "a direction that does not exist was told of");
    return;
  }
  demand(!(has_fin && has_reset), run, "a direction has two ends");
  demand(received <= way->sent, run, "more came than was sent");
  if (way->is_fin && is_certain) {
    demand(has_fin && received == way->sent, run, "what was sent before the FIN did not arrive, or the FIN");
  }
  if (run->is_awaited) {
    demand(!has_reset || way->is_reset || way->is_stopped || way->may_reset || way->may_stop, run,
           "a reset that nobody sent");
    demand(!has_stop || way->is_stopped || way->may_stop, run, "a STOP_SENDING that nobody sent");
  }
}

static void judge(Run* run) {
  demand(await(&run->is_closed), run, "STREAM_CLOSED did not come");
  demand(peer_wait_stream_closed(peer, run->id) == 0, run, "the peer's stream was not closed");
  const PeerStream seen = peer_look(peer, run->id);
  const Way* const from_peer = &run->way[kPeer];
  const Way* const from_program = &run->way[kProgram];
  demand(!run->is_wrong, run, "an event came twice, too late, or without its flag");
  demand(seen.is_pattern, run, "the peer got other bytes");
  judge_way(run, kPeer, run->received, run->has_fin, run->has_reset, seen.has_stop);
  judge_way(run, kProgram, seen.received, seen.has_fin, seen.has_reset, run->has_stop);
  const int is_cut =
      from_peer->is_reset || from_peer->is_stopped || from_program->is_reset || from_program->is_stopped;
  const int may_be_cut =
      from_peer->may_reset || from_peer->may_stop || from_program->may_reset || from_program->may_stop;
  if (!is_cut && !may_be_cut) {
    demand(run->is_clean, run, "nobody reset or stopped it, and it was not clean");
  } else if (is_cut && run->is_awaited) {
    demand(!run->is_clean, run, "it was reset or stopped, and was clean");
  }
  ++tried;
}

static int batched;

static Run* next_run(int opener, int is_unidirectional, int is_awaited) {
  Run* const run = &runs[batched++];
  *run = (Run){.opener = opener, .is_unidirectional = is_unidirectional, .is_awaited = is_awaited, .id = -1};
  return run;
}

static void judge_batch(void) {
  for (int i = 0; i < batched; ++i) {
    judge(&runs[i]);
  }
  batched = 0;
}

/* Adds a step if the stream has that direction. The first is the opener's, else nobody knows of the stream.
 */
static int add_step(Run* run, Step step) {
  if (!has_side(run, step.side, step.kind) || (run->steps == 0 && step.side != run->opener)) {
    return 0;
  }
  run->step[run->steps++] = step;
  return 1;
}

static Step step_of(int number) { return (Step){number / kKinds, number % kKinds}; }

static void every_order_of_two_steps(int opener, int is_unidirectional) {
  for (int first = 0; first < kSides * kKinds; ++first) {
    for (int second = 0; second < kSides * kKinds; ++second) {
      for (int is_awaited = 0; is_awaited < 2; ++is_awaited) {
        Run* const run = next_run(opener, is_unidirectional, is_awaited);
        if (add_step(run, step_of(first)) && add_step(run, step_of(second))) {
          play(run);
        } else {
          --batched;
        }
        if (batched == kBatch) {
          judge_batch();
        }
      }
    }
  }
  judge_batch();
}

static void random_orders(int count) {
  for (int i = 0; i < count; ++i) {
    Run* const run = next_run((int)random_below(2), random_below(4) == 0, (int)random_below(2));
    const int steps = 3 + (int)random_below(kMostSteps - 3);
    while (run->steps < steps) {
      add_step(run, step_of((int)random_below(kSides * kKinds)));
    }
    play(run);
    if (batched == kBatch) {
      judge_batch();
    }
  }
  judge_batch();
}

static void set_up(void) {
  server = start_server_json("\"workers\":2,\"max_streams\":100000,\"max_streams_uni\":100000");
  consumer_open(&consumer, server, NULL);
  peer = peer_connect(krepis_quic_port(server));
  REQUIRE(peer != NULL);
  const FfiEvent opened = consumer_await(&consumer, KREPIS_EVENT_CONNECTION_OPENED);
  connection = opened.connection;
  consumer_release(&consumer, &opened);
  opened_by_program = 0;
}

static void tear_down(void) {
  FfiResponse info;
  CHECK_EQUAL(krepis_channel_info_into(channel(), &info), KREPIS_SUCCESS);
  CHECK(json_number(text_of(info), "streams") == 0);
  CHECK(json_number(text_of(info), "queued_bytes") == 0);
  CHECK(json_number(text_of(krepis_quic_get_stats(server)), "channel_queued_bytes") == 0);
  peer_free(peer);
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

static void each_direction_goes_its_own_way_in_every_order_of_two_steps(void) {
  set_up();
  random_state = 1;
  for (int opener = 0; opener < kSides; ++opener) {
    every_order_of_two_steps(opener, 0);
    every_order_of_two_steps(opener, 1);
  }
  tear_down();
}

static void each_direction_goes_its_own_way_in_random_orders(void) {
  const char* const one = getenv("KNUL_TEST_SEED");
  const char* const several = getenv("KNUL_TEST_SEEDS");
  const uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
  const uint64_t last = one != NULL ? first : several != NULL ? strtoull(several, NULL, 10) : 3;
  for (uint64_t seed = first; seed <= last; ++seed) {
    const int failures = check_failures;
    random_state = seed * 0x9e3779b97f4a7c15u + 1;
    set_up();
    random_orders(200);
    tear_down();
    if (check_failures != failures) {
      fprintf(stderr, "KNUL_TEST_SEED=%llu runs it again\n", (unsigned long long)seed);
    }
  }
  printf("seeds %llu to %llu; %u streams\n", (unsigned long long)first, (unsigned long long)last, tried);
}

int main(void) {
  fixture_set_up();
  setenv("KNUL_LOG", "off", 1);
  RUN(each_direction_goes_its_own_way_in_every_order_of_two_steps);
  RUN(each_direction_goes_its_own_way_in_random_orders);
  return check_summary();
}
