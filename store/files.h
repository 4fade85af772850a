// Small files, read and replaced safely. Used by the launcher, the keeper worker and the proxy.
#pragma once

#include <string>

#include "core/base/result.h"

namespace stolon::store {

/// The whole content of a regular file of at most `max_bytes`. NotFound when it does not exist.
core::Result<std::string> read_small_file(const std::string &path,
                                          std::size_t max_bytes = 1024 * 1024);

/// Replaces `path` by `text` so that a crash at any point leaves the old or the new content: a
/// temporary file beside it is written and fsynced, renamed over it, and the directory is fsynced.
/// `mode` is the new file's permission (for example 0600).
core::Status write_file_atomically(const std::string &path, const std::string &text, unsigned mode);

/// Writes the whole text to `fd`, however many calls that takes. False, with errno set, when it
/// cannot.
bool write_all(int fd, const std::string &text);

/// fsyncs a file or a directory.
core::Status sync_path(const std::string &path);

}  // namespace stolon::store
