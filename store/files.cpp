#include "store/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace stolon::store {

namespace {

using core::Error;
using core::ErrorKind;

core::Error system_error(const char *what, const std::string &path) {
	const int code = errno;
	const auto kind = code == ENOENT ? ErrorKind::NotFound : ErrorKind::Unavailable;
	return Error{kind,
	             std::string("could not ") + what + " \"" + path + "\": " + std::strerror(code)};
}

class FileDescriptor {
public:
	explicit FileDescriptor(int fd) : fd_(fd) {}
	FileDescriptor(const FileDescriptor &) = delete;
	FileDescriptor &operator=(const FileDescriptor &) = delete;
	~FileDescriptor() {
		if (fd_ >= 0)
			::close(fd_);
	}
	int get() const { return fd_; }

private:
	int fd_;
};

std::string parent_of(const std::string &path) {
	const auto slash = path.rfind('/');
	if (slash == std::string::npos)
		return ".";
	return slash == 0 ? "/" : path.substr(0, slash);
}

core::Status write_and_sync(const std::string &path, const std::string &text, unsigned mode) {
	const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
	if (file.get() < 0)
		return system_error("create", path);
	if (::fchmod(file.get(), mode) != 0)
		return system_error("set the mode of", path);
	if (!write_all(file.get(), text))
		return system_error("write", path);
	if (::fsync(file.get()) != 0)
		return system_error("fsync", path);
	return {};
}

}  // namespace

bool write_all(int fd, const std::string &text) {
	std::size_t done = 0;
	while (done < text.size()) {
		const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += static_cast<std::size_t>(n);
	}
	return true;
}

core::Result<std::string> read_small_file(const std::string &path, std::size_t max_bytes) {
	const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
	if (file.get() < 0)
		return system_error("open", path);
	struct stat status = {};
	if (::fstat(file.get(), &status) != 0)
		return system_error("look at", path);
	if (!S_ISREG(status.st_mode))
		return core::invalid("\"" + path + "\" is not a regular file");
	std::string text;
	char buffer[8192];
	for (;;) {
		const ssize_t n = ::read(file.get(), buffer, sizeof buffer);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return system_error("read", path);
		if (n == 0)
			return text;
		text.append(buffer, static_cast<std::size_t>(n));
		if (text.size() > max_bytes)
			return core::invalid("\"" + path + "\" is larger than " + std::to_string(max_bytes) +
			                     " bytes");
	}
}

core::Status write_file_atomically(const std::string &path, const std::string &text,
                                   unsigned mode) {
	// One writer per file is the rule, the pid only keeps a stray second one from mixing its bytes
	// in.
	const std::string temporary = path + ".tmp." + std::to_string(::getpid());
	if (auto written = write_and_sync(temporary, text, mode); !written) {
		::unlink(temporary.c_str());
		return written;
	}
	if (::rename(temporary.c_str(), path.c_str()) != 0) {
		const auto error = system_error("replace", path);
		::unlink(temporary.c_str());
		return error;
	}
	return sync_path(parent_of(path));
}

core::Status sync_path(const std::string &path) {
	const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
	if (file.get() < 0)
		return system_error("open", path);
	if (::fsync(file.get()) != 0)
		return system_error("fsync", path);
	return {};
}

}  // namespace stolon::store
