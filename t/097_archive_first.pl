# Goal: WAL that an old master has completed and not archived gets into the archive before its data are rewound, since nobody
# else archives it (LESSONS C-3). When that is not possible, the rewind goes on, and the WAL is kept beside and told.
# Method: twice the archive is out of reach for the master only, while it writes what the standbys get, and, cut off, what
# they do not get. It is killed and comes back: once with the archive in reach again, once not.
use strict;
use warnings;

use File::Compare qw(compare);
use FindBin;
use lib "$FindBin::Bin/lib";
use SlotTools qw(write_segments);
use StolonLab;
use Test::More;

my $archive = '/dev/shm/stolon-archive-' . $$;
mkdir $archive or die "$archive: $!\n";
chmod 0777, $archive;
END { system 'rm', '-rf', $archive if $archive && -d $archive }

# The command runs in PGDATA, so that each server has a switch of its own.
my $lab = StolonLab->new(net => 'netns', spec => {
	failInterval => '8s', sleepInterval => '1s',
	pgParameters => { wal_keep_size => '512MB', archive_mode => 'on', archive_command =>
		"test ! -e ../no-archive && test ! -f $archive/%f && cp %p $archive/%f.new && mv $archive/%f.new $archive/%f" } });
$lab->make_table;

sub data_dir { return $lab->dir . "/$_[0]/data" }
sub waiting { return map { m{([^/]+)\.ready$} } glob(data_dir($_[0]) . '/postgres/pg_wal/archive_status/*.ready') }
sub in_archive { return grep { -s "$archive/$_" } @_ }
sub rows_as { my ($source) = @_; return "insert into acked select '$source', n from generate_series(1, 10) n" }
sub write_rows { my ($node, $source) = @_; return $lab->sql($node, rows_as($source)) }

# The master is lost with WAL that is not archived, and comes back. Returns its name, what it had to archive, and what its
# launcher has said since.
sub lose_master {
	my ($case, $in_reach) = @_;
	my $old = $lab->master;
	my $switch = data_dir($old) . '/no-archive';
	open my $file, '>', $switch or die "$switch: $!\n";
	close $file;
	write_segments($lab, $old, 2);
	$lab->wait_until_flushed($old);
	my $common = waiting($old);
	cmp_ok($common, '>=', 2, 'WAL that all have waits for the archive at the master only');
	$lab->fault('cut', $old);
	# By one command: it has to be done before the lease ends.
	my @statements = map { (rows_as("lost_${case}_$_"), 'select pg_switch_wal()') } 1 .. 2;
	$lab->sql($old, shift @statements, map { ('-c', $_) } @statements);
	$lab->fault('kill-node', $old);
	my @waiting = waiting($old);
	cmp_ok(scalar @waiting, '>=', $common + 2, '... and so does WAL that only it has');
	my $new = $lab->wait_for_master_other_than($old);
	StolonLab::poll_until("$new takes writes", sub { write_rows($new, "after_$case"); 1 });
	is(join(' ', in_archive(@waiting)), '', 'nobody else archives it');
	unlink $switch if $in_reach;
	my $from = length $lab->log_text($old);
	$lab->lab('heal', $old);
	is($lab->wait_until_whole, $new, "$old streams from $new");
	is($lab->sql($old, "select count(*) from acked where source like 'lost%'"), 0, 'without the rows that were lost');
	my $log = substr $lab->log_text($old), $from;
	like($log, qr/rewind: done: rewound to/, 'it was rewound');
	unlink $switch;
	return ($old, \@waiting, $log);
}

# ---- The archive is in reach again

my ($old, $waiting, $log) = lose_master('first', 1);
is(join(' ', in_archive(@$waiting)), join(' ', @$waiting), 'all that had waited is in the archive');
unlike($log, qr/not archived/, 'nothing else is told');
my ($aside) = glob(data_dir($old) . '/postgres.diverged-*');
my @diverged = grep { -e "$aside/pg_wal/$_" } @$waiting;
cmp_ok(scalar @diverged, '>=', 2, 'among it what has diverged');
is(join(' ', grep { compare("$archive/$_", "$aside/pg_wal/$_") } @diverged), '', '... as it was before the rewind');
ok(!-e "$aside/unarchived", 'nothing had to be kept for the archive');
my $master = $lab->master;
$lab->sql($master, 'select pg_switch_wal()');
StolonLab::poll_until('what the new master archives is there, too: its history and the old timeline up to the fork',
	sub { glob("$archive/*.history") && glob("$archive/*.partial") });

# ---- It is not

($old, $waiting, $log) = lose_master('second', 0);
is(join(' ', in_archive(@$waiting)), '', 'nothing could be archived');
like($log, qr/failed, once more/, 'it was tried twice');
like($log, qr/rewind: \d+ files of WAL that only this server was to archive are not archived, $$waiting[0] is the first/,
	'that is told');
($aside) = reverse sort glob(data_dir($old) . '/postgres.diverged-*');
is(join(' ', grep { -s "$aside/unarchived/$_" } @$waiting), join(' ', @$waiting), 'all of it is kept');
like($log, qr/rewind: WAL that is not archived is kept in "\Q$aside\E\/unarchived"/, '... and it is told where');
is(join(' ', grep { -e "$aside/pg_wal/$_" && compare("$aside/pg_wal/$_", "$aside/unarchived/$_") } @$waiting), '', '... as it was');
done_testing();
