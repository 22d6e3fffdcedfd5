/* Notes when it was called, with which words, and becomes another program: a clock in front of it that costs nothing.

   Built twice by `handler.py`, with LOG, LABEL and TARGET: in front of the runtime handler, and between it and runc. The
   process stays the same, so that two notes of one pid are the beginning and the end of the handler's own time. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **words) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  char line[4096];
  int size = snprintf(line, sizeof line, "%s\t%d\t%lld", LABEL, getpid(), now.tv_sec * 1000000000LL + now.tv_nsec);
  for (int i = 1; i < count && size < (int)sizeof line; i++)
    size += snprintf(line + size, sizeof line - size, "\t%s", words[i]);
  if (size >= (int)sizeof line) size = sizeof line - 1;
  line[size++] = '\n';
  int log = open(LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0 || write(log, line, size) != size) return 125;
  execv(TARGET, words);
  return 126;
}
