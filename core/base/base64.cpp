#include "core/base/base64.h"

#include <array>
#include <cstdint>

namespace stolon::core {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> make_reverse() {
	std::array<std::int8_t, 256> table{};
	for (auto &entry : table)
		entry = -1;
	for (std::size_t i = 0; i < alphabet.size(); i++)
		table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
	return table;
}

constexpr std::array<std::int8_t, 256> reverse = make_reverse();

std::uint32_t byte_at(std::string_view bytes, std::size_t i) {
	return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
	std::string text;
	text.reserve((bytes.size() + 2) / 3 * 4);
	for (std::size_t i = 0; i < bytes.size(); i += 3) {
		const std::uint32_t group =
		    byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2);
		text += alphabet[group >> 18 & 63];
		text += alphabet[group >> 12 & 63];
		text += i + 1 < bytes.size() ? alphabet[group >> 6 & 63] : '=';
		text += i + 2 < bytes.size() ? alphabet[group & 63] : '=';
	}
	return text;
}

Result<std::string> base64_decode(std::string_view text) {
	if (text.size() % 4 != 0)
		return invalid("base64: the length " + std::to_string(text.size()) +
		               " is not a multiple of 4");
	std::size_t padding = 0;
	while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
		padding++;
	const std::size_t digits = text.size() - padding;

	std::string bytes;
	bytes.reserve(text.size() / 4 * 3);
	std::uint32_t bits = 0;
	int bit_count = 0;
	for (std::size_t i = 0; i < digits; i++) {
		const int value = reverse[static_cast<unsigned char>(text[i])];
		if (value < 0)
			return invalid("base64: a character outside of the alphabet at offset " +
			               std::to_string(i));
		bits = bits << 6 | static_cast<std::uint32_t>(value);
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			bytes += static_cast<char>(bits >> bit_count & 0xff);
			bits &= (1u << bit_count) - 1;
		}
	}
	// Two texts must not mean the same bytes, so the bits that padding leaves over have to be zero.
	if (bits != 0)
		return invalid("base64: the last digit carries bits beyond the end");
	return bytes;
}

}  // namespace stolon::core
