# Goal: an old master goes on with its data: rewound when they have diverged, as they are when they have not, and cloned
# anew only when neither is possible. What only it had is kept and told.
# Method: three times the master is lost and comes back: cut off with rows that nobody else gets; killed when all is
# streamed; killed, and gone until the new master has removed the WAL that a rewind needs.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(
	net => 'netns',
	spec => {
		initMode => 'new', failInterval => '8s', sleepInterval => '1s',
		pgParameters => { wal_keep_size => '0', min_wal_size => '32MB', max_wal_size => '32MB' } });
$lab->make_table;

sub data_dir { return $lab->dir . "/$_[0]/data" }
sub slurp { my ($path) = @_; local $/; open my $file, '<', $path or return ''; return <$file> // '' }
sub inode { return (stat(data_dir($_[0]) . '/postgres'))[1] }
sub set_aside { return sort glob(data_dir($_[0]) . '/postgres.diverged-*') }
sub rows { return $lab->sql($_[0], "select source || count(*) from acked group by source order by 1") }
sub write_rows { return $lab->sql($_[0], "insert into acked select '$_[1]', n from generate_series(1, $_[2]) n") }
sub log_since { my ($node, $from) = @_; return substr($lab->log_text($node), $from) }

sub same_everywhere {
	my ($what) = @_;
	my $master = $lab->master;
	my $rows = rows($master);
	for my $node ($lab->nodes) {
		StolonLab::poll_until("$node has what $master has $what", sub { rows($node) eq $rows }, 90);
	}
	return pass("all servers have the same rows $what");
}

my $losses = 0;

# The master goes away by $fault and comes back after $meanwhile on the new one. Returns the old one's name, what its
# launcher has logged since, and whether its data directory is the same.
sub lose_master {
	my ($fault, $meanwhile) = @_;
	my $old = $lab->master;
	$losses++;
	my ($from, $inode) = (length $lab->log_text($old), inode($old));
	$fault->($old);
	my $new = $lab->wait_for_master_other_than($old);
	StolonLab::poll_until("$new takes writes", sub { write_rows($new, "after$losses", 10); 1 });
	$meanwhile->($new) if $meanwhile;
	$lab->lab('heal', $old);
	is($lab->wait_until_whole, $new, "$old streams from $new");
	return ($old, log_since($old, $from), inode($old) == $inode);
}

# ---- Rows that nobody else has.
write_rows($lab->master, 'before', 1000);
$lab->wait_until_flushed($lab->master);
my $before = $lab->master;
open my $own, '>>', data_dir($before) . '/postgres/postgresql.conf' or die;
print $own "# only on $before\n";
close $own;
open my $key, '>', data_dir($before) . '/postgres/node.key' or die;
print $key "secret of $before\n";
close $key;
chmod 0600, data_dir($before) . '/postgres/node.key';
chown((stat(data_dir($before)))[4, 5], data_dir($before) . '/postgres/node.key');

my ($old, $log, $same) = lose_master(sub {
	my ($master) = @_;
	$lab->fault('cut', $master);
	write_rows($master, 'lost', 7);
	is($lab->sql($master, "select count(*) from acked where source = 'lost'"), 7, 'the old master had rows of its own');
});
ok($same, "$old was not cloned");
like($log, qr/rewind: done: rewound to/, "$old was rewound");
is($lab->sql($old, "select count(*) from acked where source = 'lost'"), 0, 'without the rows that were lost');
same_everywhere('after the rewind');
my $kept = slurp(data_dir($old) . '/postgres/postgresql.conf');
like($kept, qr/^# only on $old$/m, 'postgresql.conf is still its own');
is(slurp(data_dir($old) . '/postgres/node.key'), "secret of $old\n", 'and so is a file that nobody else has');
ok(!-e data_dir($old) . '/postgres.rewinding', 'nothing says that a rewind is going on');

my ($aside) = set_aside($old);
my $report = slurp("$aside/REPORT.txt");
like($report, qr/^Commits: +1; the first at \d{4}-/m, 'the report tells of the lost commit');
my ($command) = $report =~ /^    (pg_waldump .*)$/m;
my $bin = qx(pg_config --bindir);
chomp $bin;
like(qx(cd '$aside' && $bin/$command --rmgr=Transaction 2>/dev/null), qr/desc: COMMIT/,
	'and its command shows the commit');
my ($told, $text) = StolonLab::run_command($lab->client_exec, $lab->dir . '/bin/stolonctl', '--cluster-name', 'lab',
	'--store-endpoints', $lab->env('etcd'), 'diverged', $old);
like($text, qr/$old .*1 commit/s, 'stolonctl tells it, too') or diag($told, $text);

is($lab->lab('psql', $old, '-XAtq', '-c', q(select db_uid <> '' and not whole and commits = 1 and prepared = 0 and wal_end > fork
	and last_commit > now() - interval '1 hour' from stolon.diverged())), 't', 'and so does SQL');

# ---- Nothing is missing elsewhere.
my ($second, $log2, $same2) = lose_master(sub {
	my ($master) = @_;
	$lab->wait_until_flushed($master);
	$lab->fault('kill-node', $master);
});
ok($same2, "$second was not cloned");
like($log2, qr/rewind: done: (nothing has diverged|rewound to .* 0 commits)/, "$second went on with its data");
same_everywhere('after a crash');

# ---- Gone for so long that the new master has removed the WAL.
my ($third, $log3, $same3) = lose_master(
	sub { $lab->fault('kill-node', $_[0]) },
	sub {
		my ($new) = @_;
		my $segment = sub { substr($lab->sql($new, $_[0]), 8) };
		my $fork = $segment->('select pg_walfile_name(pg_current_wal_lsn())');
		my $n = 0;
		StolonLab::poll_until("$new has removed the WAL around the fork", sub {
			# The slot of the absent server would hold it.
			$lab->sql($new, 'select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active');
			write_rows($new, 'more' . $n++, 20000);
			$lab->sql($new, 'select pg_switch_wal()');
			$lab->sql($new, 'checkpoint');
			$segment->("select min(name) from pg_ls_waldir() where name ~ '^[0-9A-F]{24}\$'") gt $fork;
		}, 120);
	});
ok(!$same3, "$third was cloned anew");
like($log3, qr/no rewind: .*has no WAL before/, 'because a rewind was not possible any more');
same_everywhere('after the clone');
StolonLab::poll_until("the replaced directory of $third has a report",
	sub { my ($whole) = reverse set_aside($third); -e "$whole/PG_VERSION" && -s "$whole/REPORT.txt" });

done_testing();
