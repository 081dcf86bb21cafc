// Non-blocking TCP sockets on 127.0.0.1, for a proxy.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace tracker::testing {

absl::StatusOr<int> ListenOnFreePort(int* port);
// Not yet connected, mostly; -1: it cannot be.
int ConnectToPort(int port);
// Small pieces go at once.
void SetNoDelay(int socket);

// The socket is -1 afterwards; nothing happens where it was before. Reset: the other side hears
// that the connection was broken off, and not that it has ended.
void CloseSocket(int* socket);
void ResetSocket(int* socket);

// What there is to read, 64 KiB at most; empty: the other side has closed, or has reset the
// connection. None: nothing.
std::optional<std::string> ReceivePiece(int socket);

}  // namespace tracker::testing
