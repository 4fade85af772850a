#include "proxy-hook/admin.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "proxy-hook/sockets.h"

namespace stolon::proxy {

namespace {

/// Longest message that a console may send: one row of SHOW SERVERS or SHOW CONFIG is far below.
constexpr std::size_t max_message_bytes = 1024 * 1024;
constexpr std::size_t header_bytes = 5;  // type, then the length, which counts itself

std::uint32_t read_u32(std::string_view bytes) {
	std::uint32_t value = 0;
	std::memcpy(&value, bytes.data(), sizeof(value));
	return ntohl(value);
}

std::uint16_t read_u16(std::string_view bytes) {
	std::uint16_t value = 0;
	std::memcpy(&value, bytes.data(), sizeof(value));
	return ntohs(value);
}

std::string be32(std::uint32_t value) {
	value = htonl(value);
	return std::string(reinterpret_cast<const char *>(&value), sizeof(value));
}

/// Takes a text up to its NUL off the front.
std::string take_string(std::string_view &body) {
	const std::size_t end = body.find('\0');
	std::string text(body.substr(0, end));
	body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
	return text;
}

std::string error_text(std::string_view body) {
	std::string message = "unknown error";
	while (!body.empty() && body.front() != '\0') {
		const char field = body.front();
		body.remove_prefix(1);
		std::string text = take_string(body);
		if (field == 'M') {
			message = std::move(text);
		}
	}
	return message;
}

bool read_columns(std::string_view body, std::vector<std::string> &out) {
	constexpr std::size_t after_name = 18;  // table, attribute, type, length, modifier, format
	if (body.size() < 2) {
		return false;
	}
	const std::uint16_t count = read_u16(body);
	body.remove_prefix(2);
	for (std::uint16_t i = 0; i < count; ++i) {
		out.push_back(take_string(body));
		if (body.size() < after_name) {
			return false;
		}
		body.remove_prefix(after_name);
	}
	return true;
}

bool read_row(std::string_view body, std::vector<std::string> &out) {
	constexpr std::uint32_t null_value = 0xffffffff;
	if (body.size() < 2) {
		return false;
	}
	const std::uint16_t count = read_u16(body);
	body.remove_prefix(2);
	for (std::uint16_t i = 0; i < count; ++i) {
		if (body.size() < 4) {
			return false;
		}
		const std::uint32_t length = read_u32(body);
		body.remove_prefix(4);
		if (length == null_value) {
			out.emplace_back();
			continue;
		}
		if (body.size() < length) {
			return false;
		}
		out.emplace_back(body.substr(0, length));
		body.remove_prefix(length);
	}
	return true;
}

/// The user "pgbouncer" is let in without a password when it comes through the Unix socket with
/// pgbouncer's own user id.
std::string startup_message() {
	std::string body = be32(3 << 16);
	for (std::string_view text : {"user", "pgbouncer", "database", "pgbouncer"}) {
		body.append(text).push_back('\0');
	}
	body.push_back('\0');
	return be32(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

std::string query_message(const std::string &statement) {
	return "Q" + be32(static_cast<std::uint32_t>(statement.size() + 5)) + statement + '\0';
}

}  // namespace

std::string AdminAnswer::cell(std::size_t row, std::string_view column) const {
	for (std::size_t i = 0; i < columns.size() && i < rows.at(row).size(); ++i) {
		if (columns[i] == column) {
			return rows[row][i];
		}
	}
	return {};
}

bool AdminParser::feed(std::string_view bytes) {
	buffer_.append(bytes);
	std::string_view rest(buffer_);
	while (rest.size() >= header_bytes) {
		const std::uint32_t length = read_u32(rest.substr(1));
		if (length < 4 || length > max_message_bytes) {
			return false;
		}
		if (rest.size() < length + 1) {
			break;
		}
		if (!message(rest.front(), rest.substr(header_bytes, length - 4))) {
			return false;
		}
		rest.remove_prefix(length + 1);
	}
	buffer_.erase(0, buffer_.size() - rest.size());
	return true;
}

bool AdminParser::message(char type, std::string_view body) {
	switch (type) {
		case 'R':  // authentication: only "ok" (0) can be answered
			if (body.size() < 4 || read_u32(body) != 0) {
				current_.error = "it asks for a password";
				return false;
			}
			return true;
		case 'E':
			current_.error = error_text(body);
			return true;
		case 'C':
			current_.tag = take_string(body);
			return true;
		case 'T':
			current_.columns.clear();
			return read_columns(body, current_.columns);
		case 'D':
			current_.rows.emplace_back();
			return read_row(body, current_.rows.back());
		case 'Z':
			finished_.push_back(std::exchange(current_, {}));
			return true;
		default:  // parameters, key data, notices
			return true;
	}
}

AdminLink::AdminLink(program::Loop &loop, std::string socket_path)
    : loop_(loop), path_(std::move(socket_path)) {}

AdminLink::~AdminLink() {
	close();
}

core::Status AdminLink::open() {
	close();
	core::Result<Fd> fd = connect_unix(path_);
	if (!fd) {
		return fd.error();
	}
	fd_ = std::move(*fd);
	loop_.on_readable(fd_.get(), [this] { readable(); });
	const std::string startup = startup_message();
	if (::send(fd_.get(), startup.data(), startup.size(), MSG_NOSIGNAL) !=
	    static_cast<ssize_t>(startup.size())) {
		close();
		return core::Error{core::ErrorKind::Unavailable, "cannot write to " + path_};
	}
	return {};
}

int AdminLink::peer_pid() const {
	ucred peer{};
	socklen_t length = sizeof(peer);
	return fd_ && getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid
	                                                                                  : 0;
}

void AdminLink::close() {
	if (fd_) {
		loop_.forget_fd(fd_.get());
		fd_.reset();
	}
	logged_in_ = false;
	unsent_.clear();
	batches_.clear();
	parser_ = {};
}

void AdminLink::send(std::vector<std::string> statements, Done done) {
	for (const std::string &statement : statements) {
		unsent_ += query_message(statement);
	}
	batches_.push_back(Batch{statements.size(), store::now(), {}, std::move(done)});
	if (logged_in_) {
		write_out();
	}
}

void AdminLink::write_out() {
	// A console's statements are a few dozen bytes, far below a socket buffer: a short write means
	// that the other side has not read for so long that it is of no use.
	if (!unsent_.empty() && ::send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL) !=
	                            static_cast<ssize_t>(unsent_.size())) {
		// The reader notices: callbacks never come from this call.
		shutdown(fd_.get(), SHUT_RDWR);
	}
	unsent_.clear();
}

void AdminLink::readable() {
	char buffer[16384];
	for (;;) {
		const ssize_t got = recv(fd_.get(), buffer, sizeof(buffer), 0);
		if (got > 0) {
			if (!parser_.feed(std::string_view(buffer, static_cast<std::size_t>(got)))) {
				broken("an answer that is not understood came from " + path_);
				return;
			}
			continue;
		}
		const int error_number = errno;
		deliver();
		if (!fd_) {
			return;  // closed by whoever was waiting for an answer
		}
		if (got == 0) {
			broken("pgbouncer closed the connection at " + path_);
		} else if (error_number != EAGAIN && error_number != EINTR) {
			broken("the connection at " + path_ + " broke: " + std::strerror(error_number));
		}
		return;
	}
}

void AdminLink::deliver() {
	while (!parser_.finished().empty()) {
		AdminAnswer answer = std::move(parser_.finished().front());
		parser_.finished().pop_front();
		if (!logged_in_) {
			logged_in_ = true;
			write_out();
			continue;
		}
		if (batches_.empty()) {
			continue;
		}
		batches_.front().answers.push_back(std::move(answer));
		if (batches_.front().answers.size() == batches_.front().statements) {
			Batch batch = std::move(batches_.front());
			batches_.pop_front();
			batch.done(std::move(batch.answers));
		}
	}
	loop_.wake();
}

void AdminLink::broken(const std::string &why) {
	std::deque<Batch> lost = std::move(batches_);
	if (!logged_in_) {
		refusal_ = parser_.error();
	}
	close();
	for (Batch &batch : lost) {
		batch.done(core::Error{core::ErrorKind::Unknown, why});
	}
	loop_.wake();
}

}  // namespace stolon::proxy
