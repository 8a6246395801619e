// The benchmark's server in C++: uWebSockets without TLS and compression. It
// prints its port, and ends with its standard input.

#include "App.h"

#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <unistd.h>

namespace {

struct Nothing {};

using Socket = uWS::WebSocket<false, true, Nothing>;
using Behavior = uWS::App::WebSocketBehavior<Nothing>;

constexpr unsigned int most = 16 * 1024 * 1024;  // bytes of a message, and of what waits

Behavior echo() {
    Behavior b;
    b.compression = uWS::DISABLED;
    b.maxPayloadLength = most;
    b.maxBackpressure = most;
    b.idleTimeout = 0;
    b.message = [](Socket *ws, std::string_view message, uWS::OpCode opcode) { ws->send(message, opcode); };
    return b;
}

// copies is how often a publication is to be published: its first four digits.
int copies(std::string_view message) {
    return message.size() < 4 ? 1 : std::atoi(std::string(message.substr(0, 4)).c_str());
}

void endWithInput() {
    std::thread([] {
        char c;
        while (read(0, &c, 1) > 0) {
        }
        _exit(0);
    }).detach();
}

}  // namespace

int main() {
    endWithInput();
    uWS::App app;
    Behavior room = echo();
    room.open = [](Socket *ws) { ws->subscribe("room"); };
    Behavior publish = echo();
    publish.message = [&app](Socket *, std::string_view message, uWS::OpCode opcode) {
        for (int n = copies(message); n > 0; n--) {
            app.publish("room", message, opcode);
        }
    };
    app.ws<Nothing>("/echo", echo());
    app.ws<Nothing>("/room", std::move(room));
    app.ws<Nothing>("/publish", std::move(publish));
    app.listen("127.0.0.1", 0, [](us_listen_socket_t *listener) {
        if (listener == nullptr) {
            _exit(1);
        }
        std::cout << us_socket_local_port(0, reinterpret_cast<us_socket_t *>(listener)) << std::endl;
    });
    app.run();
}
