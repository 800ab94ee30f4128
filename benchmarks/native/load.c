// A load generator that is not the bottleneck: one thread, epoll, N connections, closed loop.
//
//     load echo|exchange|connect ADDRESS MESSAGE REPLY CONNECTIONS WARM_UP_MS MEASURE_MS SERVER_PID CORE
//
// echo:      each connection sends a message, waits until as many bytes came back, and sends the next.
// exchange:  the same, but what comes back are REPLY bytes, whatever they are.
// connect:   each connection is made, waited for until the server closes it, and made anew; there is no message.
// ADDRESS is tcp:PORT or udp:PORT on 127.0.0.1, or unix:PATH. MESSAGE is how many bytes it has (it is one line: a line
// feed ends it, and none is in it), or @FILE for the bytes in that file. REPLY counts for exchange only.
// CORE pins it to that core; -1 leaves it alone. It prints one JSON object about the MEASURE_MS after the warm-up: the
// completed operations, the wall time, the CPU time of the server in that time (of all its threads, user and system), its
// own CPU time, and percentiles of the latency of an operation.

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_PER_POLL = 256, READ_BYTES = 256 * 1024, POLL_MS = 100 };

struct connection {
    int fd;
    int wants_to_send;    // EPOLLOUT is asked for: the last send did not take everything
    size_t sent, got;     // of the message and the reply under way
    int64_t started_ns;   // when it began
};

static int epoll, connects, echoes, kind;
static union {
    struct sockaddr any;
    struct sockaddr_in inet;
    struct sockaddr_un local;
} server;
static socklen_t server_bytes;
static size_t message_bytes, reply_bytes;
static char *message, *received;
static uint32_t *latencies_ns;
static size_t operations, room;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int64_t on_clock(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) < 0) die("clock_gettime");
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now_ns(void) { return on_clock(CLOCK_MONOTONIC); }

static void watch(struct connection *c, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll, how, c->fd, &event) < 0) die("epoll_ctl");
}

static void record(struct connection *c) {
    if (operations == room) {
        room = room ? room * 2 : 1 << 16;
        latencies_ns = realloc(latencies_ns, room * sizeof *latencies_ns);
        if (latencies_ns == NULL) die("realloc");
    }
    int64_t took = now_ns() - c->started_ns;
    latencies_ns[operations++] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
}

static void send_more(struct connection *c) {
    ssize_t n = send(c->fd, message + c->sent, message_bytes - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) die("send");
    if (n > 0) c->sent += (size_t)n;
    int unfinished = c->sent < message_bytes;
    if (unfinished != c->wants_to_send) {
        c->wants_to_send = unfinished;
        watch(c, unfinished ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    }
}

static void begin_message(struct connection *c) {
    c->sent = c->got = 0;
    c->started_ns = now_ns();
    send_more(c);
}

static void receive_some(struct connection *c) {
    ssize_t n = recv(c->fd, received, READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) die("recv");
    if (n == 0 || c->got + (size_t)n > reply_bytes) {
        fprintf(stderr, "not the reply: %zu of %zu bytes came back, then %zd more\n", c->got, reply_bytes, n);
        exit(1);
    }
    if (echoes && (received[0] != message[c->got] || received[n - 1] != message[c->got + (size_t)n - 1])) {
        fprintf(stderr, "not an echo: other bytes came back than were sent\n");
        exit(1);
    }
    c->got += (size_t)n;
    if (c->got == reply_bytes) {
        record(c);
        begin_message(c);
    }
}

static void open_connection(struct connection *c) {
    int on = 1;
    c->started_ns = now_ns();
    // Echo connections are made one by one, waiting for each; those of connect mode must not wait for one another.
    c->fd = socket(server.any.sa_family, kind | SOCK_CLOEXEC | (connects ? SOCK_NONBLOCK : 0), 0);
    if (c->fd < 0) die("socket");
    if (connect(c->fd, &server.any, server_bytes) < 0 && errno != EINPROGRESS) die("connect");
    if (connects) {
        // An abortive close of this side leaves nothing in TIME_WAIT, so the ports do not run out.
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    } else if (server.any.sa_family == AF_INET && kind == SOCK_STREAM) {
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    watch(c, EPOLLIN, EPOLL_CTL_ADD);
}

static void await_hang_up(struct connection *c) {
    ssize_t n = recv(c->fd, received, READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n != 0) die("a connection did not end as it should");
    record(c);
    close(c->fd);
    open_connection(c);
}

static void serve_events_until(int64_t end_ns) {
    struct epoll_event events[EVENTS_PER_POLL];
    while (now_ns() < end_ns) {
        int count = epoll_wait(epoll, events, EVENTS_PER_POLL, POLL_MS);
        if (count < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (connects) {
                await_hang_up(c);
                continue;
            }
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive_some(c);
            if (c->wants_to_send) send_more(c);
        }
    }
}

static int ascending(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static uint32_t percentile(int percent) { return latencies_ns[(operations - 1) * (size_t)percent / 100]; }

static void find_server(const char *address) {
    if (strncmp(address, "unix:", 5) == 0) {
        kind = SOCK_STREAM;
        server.local.sun_family = AF_UNIX;
        strncpy(server.local.sun_path, address + 5, sizeof server.local.sun_path - 1);
        server_bytes = sizeof server.local;
        return;
    }
    if (strncmp(address, "tcp:", 4) != 0 && strncmp(address, "udp:", 4) != 0) {
        fprintf(stderr, "no address of a server: %s\n", address);
        exit(2);
    }
    kind = address[0] == 't' ? SOCK_STREAM : SOCK_DGRAM;
    server.inet = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(address + 4)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    server_bytes = sizeof server.inet;
}

static void make_message(const char *what) {
    if (what[0] == '@') {
        FILE *file = fopen(what + 1, "rb");
        if (file == NULL || fseek(file, 0, SEEK_END) < 0) die(what);
        message_bytes = (size_t)ftell(file);
        rewind(file);
        message = malloc(message_bytes + 1);
        if (message == NULL || fread(message, 1, message_bytes, file) != message_bytes) die(what);
        fclose(file);
        return;
    }
    message_bytes = (size_t)atol(what);
    message = malloc(message_bytes + 1);
    if (message == NULL) die("malloc");
    for (size_t i = 0; i < message_bytes; i++) {
        message[i] = (char)(i * 31 + 7);
        if (message[i] == '\n') message[i] = '-';
    }
    if (message_bytes) message[message_bytes - 1] = '\n';
}

int main(int argc, char **argv) {
    if (argc != 10) {
        fprintf(
            stderr, "usage: load echo|exchange|connect ADDRESS MESSAGE REPLY CONNECTIONS WARM_UP_MS MEASURE_MS SERVER_PID CORE\n");
        return 2;
    }
    connects = strcmp(argv[1], "connect") == 0;
    echoes = strcmp(argv[1], "echo") == 0;
    find_server(argv[2]);
    make_message(argv[3]);
    reply_bytes = echoes ? message_bytes : (size_t)atol(argv[4]);
    int connections = atoi(argv[5]), core = atoi(argv[9]);
    int64_t warm_up_ns = atol(argv[6]) * 1000000L, measure_ns = atol(argv[7]) * 1000000L;
    clockid_t server_clock;
    if (clock_getcpuclockid(atoi(argv[8]), &server_clock) != 0) {
        fprintf(stderr, "the CPU clock of process %s cannot be read\n", argv[8]);
        return 1;
    }
    if (core >= 0) {
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(core, &only);
        if (sched_setaffinity(0, sizeof only, &only) < 0) die("sched_setaffinity");
    }

    received = malloc(READ_BYTES);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    if (received == NULL || all == NULL) die("malloc");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) die("epoll_create1");
    for (int i = 0; i < connections; i++) open_connection(&all[i]);
    for (int i = 0; i < connections && !connects; i++) begin_message(&all[i]);

    serve_events_until(now_ns() + warm_up_ns);
    operations = 0;
    int64_t wall = now_ns(), cpu = on_clock(server_clock), own = on_clock(CLOCK_PROCESS_CPUTIME_ID);
    serve_events_until(wall + measure_ns);
    cpu = on_clock(server_clock) - cpu;
    own = on_clock(CLOCK_PROCESS_CPUTIME_ID) - own;
    wall = now_ns() - wall;
    if (operations == 0) {
        fprintf(stderr, "nothing came back in %.1f s\n", (double)wall / 1e9);
        return 1;
    }
    qsort(latencies_ns, operations, sizeof *latencies_ns, ascending);
    printf(
        "{\"operations\": %zu, \"wall_ns\": %lld, \"server_cpu_ns\": %lld, \"load_cpu_ns\": %lld, \"p50_ns\": %u, \"p99_ns\": %u}\n",
        operations, (long long)wall, (long long)cpu, (long long)own, percentile(50), percentile(99));
    return 0;
}
