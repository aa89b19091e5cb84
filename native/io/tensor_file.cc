#include "io/tensor_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace papo {
namespace {

constexpr int64_t kBufferBytes = int64_t{8} << 20;

class File {
 public:
  File(const std::string& path, int flags, const char* op)
      : path_(path), op_(op), fd_(::open(path.c_str(), flags, 0644)) {
    if (fd_ < 0) fail(errno);
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void read_at(char* to, int64_t count, int64_t offset) const {
    while (count > 0) {
      const ssize_t n = ::pread(fd_, to, static_cast<size_t>(count), offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail(errno);
      check(n > 0, op_, path_ + ": ends before byte " + std::to_string(offset + count), "E_IO");
      to += n, offset += n, count -= n;
    }
  }
  void write_at(const char* from, int64_t count, int64_t offset) const {
    while (count > 0) {
      const ssize_t n = ::pwrite(fd_, from, static_cast<size_t>(count), offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail(errno);
      from += n, offset += n, count -= n;
    }
  }
  void sync() const {
    if (::fsync(fd_) != 0) fail(errno);
  }

 private:
  [[noreturn]] void fail(int error) const { throw Error("E_IO", op_, path_ + ": " + std::strerror(error)); }
  std::string path_;
  const char* op_;
  int fd_;
};

// Calls use(part, byte offset) for pieces of a flat tensor that fit the buffer in the file's dtype.
template <class Use>
void by_piece(const TensorRange& range, const Use& use) {
  const auto flat = range.tensor.view({-1});
  const auto width = static_cast<int64_t>(c10::elementSize(range.file_dtype));
  const int64_t step = kBufferBytes / width;
  for (int64_t begin = 0; begin < flat.numel(); begin += step) {
    poll_cancel();
    use(flat.narrow(0, begin, std::min(step, flat.numel() - begin)), range.offset + begin * width);
  }
}

}  // namespace

void read_tensors(const std::string& file, const std::vector<TensorRange>& ranges, const Watch& watch) {
  at::NoGradGuard no_grad;
  const File in(file, O_RDONLY | O_CLOEXEC, "read_tensors");
  int64_t done = 0;
  for (const auto& range : ranges) {
    by_piece(range, [&](at::Tensor part, int64_t offset) {
      if (part.scalar_type() == range.file_dtype && part.device().is_cpu())
        return in.read_at(static_cast<char*>(part.data_ptr()), static_cast<int64_t>(part.nbytes()), offset);
      auto buffer = at::empty({part.numel()}, range.file_dtype);
      in.read_at(static_cast<char*>(buffer.data_ptr()), static_cast<int64_t>(buffer.nbytes()), offset);
      part.copy_(buffer);
    });
    watch.report(++done, static_cast<int64_t>(ranges.size()));
  }
}

void write_tensors(const std::string& file, const std::string& header, const std::vector<TensorRange>& ranges,
                   const Watch& watch) {
  at::NoGradGuard no_grad;
  const File out(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, "write_tensors");
  out.write_at(header.data(), static_cast<int64_t>(header.size()), 0);
  int64_t done = 0;
  for (const auto& range : ranges) {
    by_piece(range, [&](at::Tensor part, int64_t offset) {
      const auto bytes = part.to(at::kCPU, range.file_dtype).contiguous();
      out.write_at(static_cast<const char*>(bytes.data_ptr()), static_cast<int64_t>(bytes.nbytes()), offset);
    });
    watch.report(++done, static_cast<int64_t>(ranges.size()));
  }
  out.sync();
}

}  // namespace papo
