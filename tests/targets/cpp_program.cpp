// Namespaces, templates, lambdas, std::thread and std::mutex, as C++ programs have them on their stacks.
#include "target.h"
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace shop {

std::mutex till;
std::mutex door;
std::condition_variable opened;

template <typename Thing> struct Shelf {
    Thing thing;
    FRAME void wait_for_it(const std::string &name);
};

template <typename Thing> void Shelf<Thing>::wait_for_it(const std::string &name)
{
    std::lock_guard<std::mutex> hold(till);
    thing += static_cast<Thing>(name.size());
}

class Customer {
  public:
    FRAME void operator()(int number) const
    {
        if (number % 2 == 0) {
            Shelf<double> shelf{1.5};
            shelf.wait_for_it("milk");
        } else {
            std::unique_lock<std::mutex> hold(door);
            opened.wait(hold, [] { return false; });
        }
    }
};

} // namespace shop

int main()
{
    std::unique_lock<std::mutex> hold(shop::till);
    std::vector<std::thread> customers;
    for (int i = 0; i < 4; i++)
        customers.emplace_back(shop::Customer(), i);
    ready("");
    customers[0].join();
}
