#include "store/etcd/tls_files.h"

#include <utility>

#include "store/files.h"

namespace stolon::store::etcd {

TlsFiles::TlsFiles(std::string ca_file, std::string cert_file, std::string key_file)
    : ca_file_(std::move(ca_file)),
      cert_file_(std::move(cert_file)),
      key_file_(std::move(key_file)) {}

core::Status TlsFiles::read() {
	std::string texts[3];
	const std::string *paths[3] = {&ca_file_, &cert_file_, &key_file_};
	for (int i = 0; i < 3; i++) {
		if (paths[i]->empty())
			continue;
		auto text = read_small_file(*paths[i]);
		if (!text.ok())
			return text.error();
		texts[i] = std::move(text).value();
		// Without it libcurl would go by the system's CAs; it is being written, perhaps.
		if (texts[i].empty())
			return core::invalid("the file \"" + *paths[i] + "\" for the store is empty");
	}
	ca_ = std::move(texts[0]);
	cert_ = std::move(texts[1]);
	key_ = std::move(texts[2]);
	return {};
}

}  // namespace stolon::store::etcd
