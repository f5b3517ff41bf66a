#include <iostream>

#include "tensor.hpp"

int main() {
  tinytorch::Tensor tensor(2, 3);
  tensor.at(1, 2) = 4.0f;
  std::cout << tensor.at(1, 2) << '\n';
}
