// The files that TLS needs, kept in memory: making a connection must not wait for a disk.
#pragma once

#include <string>

#include "core/base/result.h"

namespace stolon::store::etcd {

class TlsFiles {
public:
	/// Paths may be empty: then there is nothing of that kind.
	TlsFiles() = default;
	TlsFiles(std::string ca_file, std::string cert_file, std::string key_file);

	/// Reads all of them. A file that cannot be read leaves everything as it was, and is named in
	/// the error.
	core::Status read();

	/// PEM; empty when there is none.
	const std::string &ca() const { return ca_; }
	const std::string &cert() const { return cert_; }
	const std::string &key() const { return key_; }

private:
	std::string ca_file_, cert_file_, key_file_;
	std::string ca_, cert_, key_;
};

}  // namespace stolon::store::etcd
