/**
 * A program that sends by a socket while a thread of it changes the socket's peer between 127.0.0.1 port 9, none, and
 * 127.0.0.1 port 7010, for three seconds. Prints how many datagrams have come to port 7010.
 */
export const PEER_RACE: readonly string[] = [
  'python3',
  '-c',
  `
import ctypes, socket, threading, time
libc = ctypes.CDLL(None)
end = time.monotonic() + 3
goal = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
goal.bind(('127.0.0.1', 7010))
goal.setblocking(False)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
came = 0
def turn():
    while time.monotonic() < end:
        s.connect(('127.0.0.1', 9))
        s.connect(('127.0.0.1', 7010))
        libc.connect(s.fileno(), bytes(16), 16)
def push():
    while time.monotonic() < end:
        try:
            s.send(b'x')
        except OSError:
            pass
threads = [threading.Thread(target=what) for what in (turn, push, push)]
for thread in threads: thread.start()
for thread in threads: thread.join()
while True:
    try:
        goal.recv(9)
    except BlockingIOError:
        break
    came += 1
print(came)`,
];
