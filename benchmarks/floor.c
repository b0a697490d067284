/* The floor: the least that it takes to hand a log's new lines to many clients.
 *
 * One buffer of frames for all, an offset per client, epoll and send. No web server: any
 * request gets a stream, nothing is resumed, checked or limited, and all frames are kept.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, EVENTS = 512, MAX_CLIENTS = 65536 };

static const char HEAD[] =
    "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: stream opened\n\n";

struct client { int is_open, waits; size_t sent; };

static struct client clients[MAX_CLIENTS]; /* by descriptor */
static int last_client = -1;
static char *frames;
static size_t size, room;
static int poller;

static void die(const char *what) { perror(what); exit(1); }

static void watch(int fd, int how, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(poller, how, fd, &event) < 0) die("epoll_ctl");
}

static void leave(int fd) { clients[fd].is_open = 0; close(fd); }

/* Send what the client has not got yet; wait for its socket if that does not take it all. */
static void push(int fd) {
    struct client *client = &clients[fd];
    ssize_t taken = send(fd, frames + client->sent, size - client->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken > 0) client->sent += taken;
    int waits = client->sent < size;
    if (waits != client->waits) {
        watch(fd, EPOLL_CTL_MOD, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
        client->waits = waits;
    }
}

static void welcome(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
    if (fd < 0) return;
    if (fd >= MAX_CLIENTS) { close(fd); return; }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    send(fd, HEAD, sizeof HEAD - 1, MSG_NOSIGNAL);
    clients[fd] = (struct client){.is_open = 1, .sent = size};
    if (fd > last_client) last_client = fd;
    watch(fd, EPOLL_CTL_ADD, EPOLLIN);
}

/* One frame for each line that is whole, with the offset at which it ends as its id. */
static void encode(size_t *offset, const char *line, const char *end) {
    while (line < end) {
        const char *next = (const char *)memchr(line, '\n', end - line) + 1;
        size_t length = next - line;
        if (room < size + length + 64) {
            room = 2 * (size + length) + READ_SIZE;
            if (!(frames = realloc(frames, room))) die("realloc");
        }
        *offset += length;
        size += sprintf(frames + size, "id: %zx\ndata: ", *offset);
        memcpy(frames + size, line, length);
        size += length;
        frames[size++] = '\n';
        line = next;
    }
}

static int run_tail(const char *log, size_t offset) {
    int ends[2];
    char from[32], owner[32];
    snprintf(from, sizeof from, "--bytes=+%zu", offset + 1);
    snprintf(owner, sizeof owner, "--pid=%d", getpid());
    if (pipe(ends) < 0) die("pipe");
    pid_t child = fork();
    if (child < 0) die("fork");
    if (!child) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        execlp("tail", "tail", from, "--follow", owner, log, NULL);
        die("tail");
    }
    close(ends[1]);
    return ends[0];
}

int main(int count, char **arguments) {
    static char data[2 * READ_SIZE];
    struct epoll_event events[EVENTS];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct rlimit files;
    struct stat status;
    size_t rest = 0, offset;

    if (count != 2 || stat(arguments[1], &status) < 0) {
        fprintf(stderr, "usage: floor LOG\n");
        return 2;
    }
    offset = status.st_size;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(EPOLL_CLOEXEC);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 1024) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0) die("listen");
    int tail = run_tail(arguments[1], offset);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    watch(tail, EPOLL_CTL_ADD, EPOLLIN);
    printf("  http://127.0.0.1:%d/\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int index = 0; index < ready; index++) {
            int fd = events[index].data.fd;
            if (fd == listener) {
                welcome(listener);
            } else if (fd == tail) {
                ssize_t more = read(tail, data + rest, READ_SIZE);
                if (more <= 0) return 1;
                rest += more;
                char *last = memrchr(data, '\n', rest);
                if (!last && rest < READ_SIZE) continue;
                if (!last) die("a line is too long");
                encode(&offset, data, last + 1);
                rest -= last + 1 - data;
                memmove(data, last + 1, rest);
                for (int client = 0; client <= last_client; client++)
                    if (clients[client].is_open && !clients[client].waits) push(client);
            } else if (events[index].events & (EPOLLHUP | EPOLLERR)) {
                leave(fd);
            } else if (events[index].events & EPOLLIN) {
                char request[4096];
                if (recv(fd, request, sizeof request, 0) <= 0) leave(fd);
            } else {
                push(fd);
            }
        }
    }
}
