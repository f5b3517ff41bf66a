#pragma once
#include <cstddef>
#include <utility>
#include <vector>

namespace tinytorch {

/// A matrix of floats, row by row.
class Tensor {
 public:
  Tensor(std::size_t rows, std::size_t columns) : rows_(rows), columns_(columns), values_(rows * columns) {}

  float& at(std::size_t row, std::size_t column) { return values_[row * columns_ + column]; }
  float at(std::size_t row, std::size_t column) const { return values_[row * columns_ + column]; }
  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }

 private:
  std::size_t rows_, columns_;
  std::vector<float> values_;
};

}  // namespace tinytorch
