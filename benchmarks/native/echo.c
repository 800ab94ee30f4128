// The physical limit: a single-threaded epoll server that does no more than it must.
//
//     echo echo    sends back what it reads
//     echo close   closes each connection that it accepts
//
// Prints the port that it listens on (127.0.0.1) and serves until it is killed.

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, EVENTS_PER_POLL = 64 };

// What a connection still owes its client: the unsent part of one read. While it owes, it does not read.
struct connection {
    int fd;
    size_t sent, owed;
    char *unsent;
};

static char buffer[READ_BYTES];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int listen_somewhere(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 1024) < 0) die("listen");
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) die("getsockname");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void hang_up(struct connection *c) {
    close(c->fd);
    free(c->unsent);
    free(c);
}

static void watch(int epoll, struct connection *c, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll, how, c->fd, &event) < 0) die("epoll_ctl");
}

static void accept_all(int listener, int epoll, int closes) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) return;
            die("accept");
        }
        if (closes) {
            close(fd);
            continue;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *c = calloc(1, sizeof *c);
        if (c == NULL) die("calloc");
        c->fd = fd;
        watch(epoll, c, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static void serve_readable(int epoll, struct connection *c) {
    ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) hang_up(c);
        return;
    }
    ssize_t sent = send(c->fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        hang_up(c);
        return;
    }
    if (sent < 0) sent = 0;
    if (sent < got) {
        if (c->unsent == NULL && (c->unsent = malloc(READ_BYTES)) == NULL) die("malloc");
        c->sent = 0;
        c->owed = (size_t)(got - sent);
        memcpy(c->unsent, buffer + sent, c->owed);
        watch(epoll, c, EPOLLOUT, EPOLL_CTL_MOD);
    }
}

static void serve_writable(int epoll, struct connection *c) {
    ssize_t sent = send(c->fd, c->unsent + c->sent, c->owed - c->sent, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) hang_up(c);
        return;
    }
    c->sent += (size_t)sent;
    if (c->sent == c->owed) {
        c->owed = 0;
        watch(epoll, c, EPOLLIN, EPOLL_CTL_MOD);
    }
}

int main(int argc, char **argv) {
    if (argc != 2 || (strcmp(argv[1], "echo") != 0 && strcmp(argv[1], "close") != 0)) {
        fprintf(stderr, "usage: echo echo|close\n");
        return 2;
    }
    int closes = strcmp(argv[1], "close") == 0;
    int listener = listen_somewhere(), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection listening = {.fd = listener};
    struct epoll_event events[EVENTS_PER_POLL];
    if (epoll < 0) die("epoll_create1");
    watch(epoll, &listening, EPOLLIN, EPOLL_CTL_ADD);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_PER_POLL, -1);
        if (count < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (c == &listening) accept_all(listener, epoll, closes);
            else if (c->owed) serve_writable(epoll, c);
            else serve_readable(epoll, c);
        }
    }
}
