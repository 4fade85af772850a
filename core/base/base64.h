// Base64 (RFC 4648, with padding), as etcd's JSON gateway uses it for keys and values.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace stolon::core {

std::string base64_encode(std::string_view bytes);

/// Refuses characters outside the alphabet, wrong padding and wrong length with Invalid.
Result<std::string> base64_decode(std::string_view text);

}  // namespace stolon::core
