// The report on data that were set aside, for people.
#pragma once

#include <string>

#include "core/model/diverged.h"
#include "launcher/data_dir.h"
#include "launcher/examine.h"

namespace stolon::launcher {

/// What an examination says. `found` is nullptr when there was none; then `data.problem` says why.
void take_findings(const Examination *found, core::DivergedData &data);

/// Writes REPORT.txt and stolon.diverged into the directory, in this order.
core::Status write_report(const std::string &directory, const Identity &identity,
                          const core::DivergedData &data, const Examination *found);

constexpr const char *findings_file = "stolon.diverged";
constexpr const char *report_file = "REPORT.txt";

}  // namespace stolon::launcher
