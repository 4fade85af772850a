# What t/039_* share: a lab whose launchers are killed at a named point (launcher/fault_point.h), and what must hold of a
# host's directories from then on.
package FaultPoints;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp ();
use JSON::PP ();
use StolonLab;
use Test::More;

our @EXPORT_OK = qw(launcher_pid);
our @EXPORT = qw(points_never_walked launcher_log lab_with_faults data_dir arm struck kill_launcher walk watch_copies lose_master
  write_rows check_end survives);

my $top = abs_path(dirname(__FILE__) . '/../..');

sub slurp {
	my ($path) = @_;
	local $/;
	open my $file, '<', $path or return '';
	return <$file> // '';
}

# Every point that there is.
sub all_points {
	my ($list) = slurp("$top/launcher/fault_point.h") =~ /fault_points = \{(.*?)\};/s;
	return $list =~ /"([a-z-]+)"/g;
}

# Those that no file t/039_* names.
sub points_never_walked {
	my $text = join '', map { slurp($_) } glob "$top/t/039_*.pl";
	return grep { $text !~ /'\Q$_\E\b/ } all_points();
}

# All that the node's launchers have logged.
sub launcher_log { my ($lab, $node) = @_; return slurp($lab->dir . "/$node/log/launcher.log") }

sub built {
	my ($program) = @_;
	my $build = $ENV{BUILD_DIR} // 'build';
	return ($build =~ m{^/} ? $build : "$top/$build") . "/bin/$program";
}

# The bytes of the launcher that is installed.
sub shipped_launcher { return slurp(built('stolon-launcher')) }

# As StolonLab->new, with the launcher that has fault points.
sub lab_with_faults {
	my (%options) = @_;
	my $program = built('stolon-launcher-faults');
	die "$program is not there: run make fault-programs\n" if !-x $program;
	my $programs = File::Temp->newdir;
	symlink $program, "$programs/stolon-launcher" or die "symlink: $!\n";
	local $ENV{STOLON_BIN_DIR} = "$programs";
	return StolonLab->new(%options);
}

sub data_dir { my ($lab, $node) = @_; return $lab->dir . "/$node/data" }

# The first time that the node's launcher comes to the point it is killed; with the mode "hold" it stops there.
sub arm {
	my ($lab, $node, $point, $mode) = @_;
	my $file = data_dir($lab, $node) . '/fault-point';
	open my $out, '>', "$file.new" or die "$file.new: $!\n";
	print $out "$point $mode\n";
	close $out;
	rename "$file.new", $file or die "$file: $!\n";
	return;
}

sub launcher_pid {
	my ($lab, $node) = @_;
	return JSON::PP::decode_json(slurp($lab->dir . '/lab.json'))->{members}{$node}{pid};
}

sub wait_for_end {
	my ($lab, $node) = @_;
	my $pid = launcher_pid($lab, $node);
	return StolonLab::poll_until("the launcher of $node is gone", sub { !kill 0, $pid });
}

sub kill_launcher {
	my ($lab, $node) = @_;
	kill 'KILL', launcher_pid($lab, $node);
	return wait_for_end($lab, $node);
}

# Waits until the point was reached and the launcher is dead; with the mode "hold" everything on the host is killed.
sub struck {
	my ($lab, $node, $point, $mode) = @_;
	my $reached = data_dir($lab, $node) . '/fault-point.reached';
	StolonLab::poll_until("$node comes to $point", sub { -e $reached });
	unlink $reached or die "$reached: $!\n";
	$lab->fault('kill-node', $node) if $mode eq 'hold';
	wait_for_end($lab, $node) if $mode eq 'kill';
	return check_directories($lab, $node, "$point, $mode");
}

# One point after the other, each after a new start; the last one leaves the launcher dead. A point with "hold" behind it
# stands for everything on the host.
sub walk {
	my ($lab, $node, @points) = @_;
	for (@points) {
		my ($point, $mode) = (split(/ /, $_), 'kill');
		arm($lab, $node, $point, $mode);
		$lab->lab('start', $node);
		struck($lab, $node, $point, $mode);
	}
	return;
}

# ---- What must hold

my %copies;

sub inode { my ($path) = @_; return (stat $path)[1] // 0 }

# From now on the node's present data directory must be there, whatever its name is.
sub watch_copies {
	my ($lab, $node) = @_;
	$copies{$node}{ inode(data_dir($lab, $node) . '/postgres') } = 1;
	return;
}

sub forget_copies { my ($node) = @_; delete $copies{$node}; return }

# What stolon.state of a directory says of whom it is; '' when there is none.
sub state_of {
	my ($directory) = @_;
	my $state = eval { JSON::PP::decode_json(slurp("$directory/stolon.state")) } or return '';
	return $state->{keeper} // '';
}

# A server could be started there: PostgreSQL's own tools take the directory for a whole one.
sub is_whole {
	my ($lab, $directory) = @_;
	my ($code) = StolonLab::run_command('pg_controldata', $directory);
	return $code == 0 && -s "$directory/PG_VERSION" && -d "$directory/pg_wal" && -s "$directory/postgresql.conf";
}

# While no launcher is there. What calls itself whole is whole, and every copy that was one is still there.
sub check_directories {
	my ($lab, $node, $when) = @_;
	my $root = data_dir($lab, $node);
	my @wrong;
	my $noted = -e "$root/postgres.rewinding";
	for my $directory (grep { -d $_ } glob("$root/postgres $root/postgres.clone-* $root/postgres.init-*")) {
		next if state_of($directory) ne $node || ($noted && $directory eq "$root/postgres");
		push @wrong, "$directory is half made" if !is_whole($lab, $directory);
	}
	my %there = map { inode($_) => 1 } grep { -s "$_/PG_VERSION" } glob("$root/postgres*");
	push @wrong, map { "the copy with inode $_ is gone" } grep { !$there{$_} } keys %{ $copies{$node} };
	return is("@wrong", '', "killed at $when: nothing half is called whole, and no copy is gone");
}

# What the cluster had had, all nodes have; what only a lost master had, none; and no launcher has left anything unfinished.
sub check_end {
	my ($lab, $when) = @_;
	my $master = $lab->wait_until_whole;
	my $query = 'select source || count(*) from acked group by source order by 1';
	my $rows = $lab->sql($master, $query);
	unlike($rows, qr/lost/, "$when: what was lost is not there");
	for my $node ($lab->nodes) {
		StolonLab::poll_until("$node has what $master has", sub { $lab->sql($node, $query) eq $rows }, 90);
		my $root = data_dir($lab, $node);
		my @left = map { s{.*/}{}r }
		  glob("$root/postgres.clone-* $root/postgres.init-* $root/postgres.saving-* $root/postgres.removing-* $root/postgres.rewind* $root/*.tmp.*");
		@left = grep { -e "$root/$_" } @left;
		is("@left", '', "$when: nothing unfinished lies on $node");
		check_directories($lab, $node, "$when, at its end");
	}
	return $rows;
}

# ---- Losing a master

sub write_rows {
	my ($lab, $source, $count) = @_;
	my $master = $lab->master;
	$lab->sql($master, "insert into acked select '$source', n from generate_series(1, $count) n");
	my $lsn = $lab->sql($master, 'select pg_current_wal_flush_lsn()');
	return StolonLab::poll_until('all is streamed', sub {
		$lab->sql($master, "select bool_and(flush_lsn >= '$lsn') from pg_stat_replication") eq 't';
	});
}

# Of two nodes: the master has rows that nobody else gets, and dies; the other one is the master then. Returns the old
# one, whose launcher goes on.
sub lose_master {
	my ($lab) = @_;
	my $old = $lab->master;
	watch_copies($lab, $old);
	kill 'STOP', $lab->server_process($old, qr/walsender/);
	$lab->sql($old, "insert into acked select 'lost', n from generate_series(1, 5) n");
	$lab->fault('kill-postgres', $old);
	return $old;
}

# The master is lost, and its launcher killed at each of the points; then it may go on. Returns its name.
sub survives {
	my ($lab, $first, @more) = @_;
	my ($point, $mode) = (split(/ /, $first), 'kill');
	my $old = $lab->master;
	write_rows($lab, "before-$point", 100);
	arm($lab, $old, $point, $mode);
	lose_master($lab);
	$lab->wait_for_master_other_than($old);
	struck($lab, $old, $point, $mode);
	walk($lab, $old, @more);
	$lab->lab('start', $old);
	check_end($lab, $point);
	return $old;
}

1;
