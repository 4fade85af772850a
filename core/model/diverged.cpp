#include "core/model/diverged.h"

#include "core/model/fields.h"

namespace stolon::core {

Json diverged_to_json(const DivergedData &data) {
	Json object = Json::object();
	put_text(object, "name", data.name);
	put_text(object, "time", data.time);
	put_text(object, "db", data.db.value);
	put_flag(object, "whole", data.whole);
	if (data.half_rewound)
		put_flag(object, "halfRewound", true);
	put_flag(object, "examined", data.examined);
	put_position(object, "fork", data.fork);
	put_position(object, "end", data.end);
	put_number(object, "commits", data.commits);
	if (data.prepared > 0)
		put_number(object, "prepared", data.prepared);
	put_text(object, "firstCommit", data.first_commit);
	put_text(object, "lastCommit", data.last_commit);
	put_message(object, "problem", data.problem);
	return object;
}

DivergedData read_diverged(FieldReader &in) {
	DivergedData data;
	data.name = in.text("name", ValueLimits::max_name);
	data.time = in.text("time", ValueLimits::max_name);
	data.db = in.uid<DbTag>("db");
	data.whole = in.boolean("whole");
	data.half_rewound = in.boolean("halfRewound");
	data.examined = in.boolean("examined");
	data.fork = in.position("fork");
	data.end = in.position("end");
	data.commits = static_cast<std::uint64_t>(in.integer("commits"));
	data.prepared = static_cast<std::uint64_t>(in.integer("prepared"));
	data.first_commit = in.text("firstCommit", ValueLimits::max_name);
	data.last_commit = in.text("lastCommit", ValueLimits::max_name);
	data.problem = in.text("problem", ValueLimits::max_message);
	return data;
}

Result<DivergedData> parse_diverged(std::string_view text) {
	constexpr std::size_t max_bytes = 16 * 1024;
	const auto object = parse_object(text, "stolon.diverged", max_bytes);
	if (!object)
		return object.error();
	FieldReader in(*object, "stolon.diverged");
	DivergedData data = read_diverged(in);
	if (in.error())
		return *in.error();
	return data;
}

}  // namespace stolon::core
