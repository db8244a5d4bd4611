#include "net/deadline.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>

using net::Deadline;

TEST_CASE("a deadline says what is left and what there was") {
  const Deadline over(std::chrono::milliseconds(0));
  CHECK(over.left() == std::chrono::milliseconds(0));
  const Deadline day(std::chrono::hours(24));
  CHECK(day.left() > std::chrono::hours(23));
  CHECK(Deadline(std::chrono::milliseconds(2500)).text() == "2.5 s");
  CHECK(Deadline(std::chrono::seconds(86400)).text() == "86400 s");
}

TEST_CASE("work that nobody waits for any longer is left behind") {
  const auto stop = std::make_shared<std::promise<void>>();
  auto running = net::start_detached([stop] {
    stop->get_future().wait();
    return 1;
  });
  CHECK(net::wait_for(running, Deadline(std::chrono::milliseconds(1))) == std::nullopt);
  stop->set_value();
  CHECK(net::wait_for(running, Deadline(std::chrono::minutes(1))) == 1);
}

TEST_CASE("what the work throws comes out where it is waited for") {
  auto running = net::start_detached([]() -> int { throw std::runtime_error("why"); });
  CHECK_THROWS_WITH(net::wait_for(running, Deadline(std::chrono::minutes(1))), "why");
}
