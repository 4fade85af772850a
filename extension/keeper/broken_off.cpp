#include "extension/keeper/broken_off.h"

#include <fcntl.h>
#include <unistd.h>

#include "extension/bridge/pg.h"

namespace stolon::pg {

void put_broken_off_promotion_right() {
	bool crc_ok = false;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);
	const bool was_standby = crc_ok && control->state == DB_IN_ARCHIVE_RECOVERY;
	pfree(control);
	if (!was_standby || access(STANDBY_SIGNAL_FILE, F_OK) == 0)
		return;
	const int file = open(STANDBY_SIGNAL_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, pg_file_create_mode);
	if (file < 0)
		ereport(FATAL, (errcode_for_file_access(),
		                errmsg("stolon: could not create file \"%s\": %m", STANDBY_SIGNAL_FILE)));
	close(file);
	fsync_fname(STANDBY_SIGNAL_FILE, false);
	fsync_fname(".", true);
	ereport(LOG, (errmsg("stolon: a promotion was broken off before its timeline began; the server "
	                     "stays a standby")));
}

}  // namespace stolon::pg
