#include "client/examples/checksum_swarm/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace swarm {
namespace {

namespace fs = std::filesystem;
using Hash = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

constexpr size_t kIdBytes = 512;
constexpr char kEncodedPath[] = "path_percent_encoded";

Hash NewHash() {
  Hash hash(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (!hash || EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) != 1) return {nullptr, nullptr};
  return hash;
}

std::string Finish(const Hash& hash) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(hash.get(), digest, &size);
  return absl::BytesToHexString(std::string(reinterpret_cast<char*>(digest), size));
}

bool CanBeId(const std::string& path) {
  if (path.size() > kIdBytes) return false;
  for (size_t i = 0; i < path.size(); ++i) {
    const auto byte = static_cast<unsigned char>(path[i]);
    if (byte < 0x20 || byte == 0x7F) return false;
    // The control characters U+0080 to U+009F.
    const bool c1 =
        byte == 0xC2 && i + 1 < path.size() && static_cast<unsigned char>(path[i + 1]) < 0xA0;
    if (c1) return false;
  }
  try {
    nlohmann::json(path).dump();  // strict about UTF-8
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

std::string PercentEncode(const std::string& bytes) {
  std::string out;
  for (unsigned char byte : bytes) {
    if (std::isalnum(byte) || std::strchr("/._-", byte) != nullptr) {
      out += static_cast<char>(byte);
    } else {
      absl::StrAppend(&out, "%", absl::Hex(byte, absl::kZeroPad2));
    }
  }
  return out;
}

std::string PercentDecode(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += absl::HexStringToBytes(text.substr(i + 1, 2));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

absl::Status SystemError(const char* what, int error) {
  const std::string text = absl::StrCat(what, ": ", std::strerror(error));
  switch (error) {
    case ENOENT: return absl::NotFoundError(text);
    case EACCES:
    case EPERM: return absl::PermissionDeniedError(text);
    case ELOOP:
    case ENOTDIR:
    case EISDIR:
    case ENXIO: return absl::FailedPreconditionError(text);
    default: return absl::UnknownError(text);
  }
}

// A descriptor that is closed.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

absl::StatusOr<FoundFiles> FindFiles(const std::string& directory) {
  FoundFiles found;
  std::vector<std::string> open = {""};  // relative, with a slash at the end, but for the root
  while (!open.empty()) {
    const std::string below = std::move(open.back());
    open.pop_back();
    std::error_code error;
    fs::directory_iterator entries(fs::path(directory) / below, error);
    if (error && below.empty())
      return absl::NotFoundError(absl::StrCat(directory, ": ", error.message()));
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
      std::error_code gone;
      const fs::file_status status = entries->symlink_status(gone);
      std::string path = below + entries->path().filename().string();
      if (fs::is_directory(status)) {
        open.push_back(path + "/");
      } else if (fs::is_regular_file(status)) {
        found.paths.push_back(std::move(path));
      }
    }
    if (error) found.skipped.push_back(absl::StrCat(below, ": ", error.message()));
  }
  std::sort(found.paths.begin(), found.paths.end());
  return found;
}

tracker::NewTask TaskOfPath(const std::string& name_space, const std::string& path) {
  tracker::NewTask task{name_space, path};
  if (CanBeId(path)) return task;
  const Hash hash = NewHash();
  EVP_DigestUpdate(hash.get(), path.data(), path.size());
  task.id = "path-sha256/" + Finish(hash);
  task.data = nlohmann::json{{kEncodedPath, PercentEncode(path)}}.dump();
  return task;
}

absl::StatusOr<std::string> PathOfTask(const tracker::Task& task) {
  const auto data = nlohmann::json::parse(task.data, nullptr, false);
  const auto encoded = data.is_object() ? data.find(kEncodedPath) : data.end();
  if (!data.is_object() || encoded == data.end()) return task.id;
  if (!encoded->is_string()) return absl::InvalidArgumentError("the encoded path is no text");
  return PercentDecode(encoded->get<std::string>());
}

absl::StatusOr<Digest> Sha256OfFile(const std::string& path, const std::stop_token& stop) {
  const Hash hash = NewHash();
  if (!hash) return absl::InternalError("OpenSSL has no SHA-256");
  // Not blocked by what has become a pipe, nor led elsewhere by what has become a link.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
  if (file.fd < 0) return SystemError("cannot open the file", errno);
  struct stat status {};
  if (fstat(file.fd, &status) != 0) return SystemError("cannot look at the file", errno);
  if (!S_ISREG(status.st_mode))
    return absl::FailedPreconditionError("it is no regular file any more");
  Digest digest;
  std::vector<char> piece(256 * 1024);
  while (!stop.stop_requested()) {
    const ssize_t got = read(file.fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("cannot read the file", errno);
    if (got == 0) {
      digest.sha256 = Finish(hash);
      return digest;
    }
    EVP_DigestUpdate(hash.get(), piece.data(), static_cast<size_t>(got));
    digest.bytes += got;
  }
  return absl::AbortedError("the lock was lost");
}

}  // namespace swarm
