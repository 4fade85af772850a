# A lab (scripts/lab) for one test file: made by new(), removed at the end of the file whatever
# happens. Everything that waits has a limit and says what it waited for.
package StolonLab;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use IO::Socket::INET ();
use IPC::Run ();
use JSON::PP ();
use Test::More;
use Time::HiRes qw(clock_gettime sleep CLOCK_MONOTONIC);

our $scripts = abs_path(dirname(__FILE__) . '/../../scripts');
my $poll_seconds = 0.05;
my @labs;

# Microseconds on the clock that the writers use.
sub now { return int(clock_gettime(CLOCK_MONOTONIC) * 1_000_000) }

# Repeats $check until it returns something true, which is returned. Dies after $timeout seconds.
sub poll_until {
	my ($what, $check, $timeout) = @_;
	$timeout //= 60;
	my $end = clock_gettime(CLOCK_MONOTONIC) + $timeout;
	while (1) {
		my $result = eval { $check->() };
		my $error = $@;
		return $result if $result;
		die "waited $timeout s in vain: $what" . ($error ? " (last error: $error)" : "") . "\n"
		  if clock_gettime(CLOCK_MONOTONIC) > $end;
		sleep $poll_seconds;
	}
}

# So many different ports of 127.0.0.1 where nobody listens: all are held until the last is chosen.
sub free_ports {
	my ($count) = @_;
	my @sockets = map { IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "no free port: $!\n" } 1 .. $count;
	return map { $_->sockport } @sockets;
}

# Runs a command; returns (exit code, stdout, stderr).
sub run_command {
	my @command = @_;
	my ($out, $err) = ('', '');
	local $ENV{PYTHONPATH} = $scripts;
	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err);
	return ($? >> 8 || $? & 127, $out, $err);
}

# Options: etcds, nodes, sentinels, proxies, net, spec (a hash), dead_endpoint, environment (a hash, every member's), timeout.
sub new {
	my ($class, %options) = @_;
	die "netns needs root; run the tests as root\n" if ($options{net} // '') eq 'netns' && $> != 0;
	my ($failed, $base, $problem) = run_command(
		'python3', '-Bc', 'from lablib import cluster; print(cluster.scratch_directory("stolon-t-"))');
	die "no directory: $problem\n" if $failed;
	chomp $base;
	my $self = bless { base => $base, dir => "$base/lab", writers => [], owner => $$ }, $class;
	push @labs, $self;
	my @arguments = ('up', '--quiet');
	for my $option (qw(etcds nodes sentinels proxies net timeout)) {
		push @arguments, "--$option", $options{$option} if defined $options{$option};
	}
	push @arguments, '--dead-endpoint' if $options{dead_endpoint};
	push @arguments, map { ('--env', "$_=$options{environment}{$_}") } sort keys %{ $options{environment} // {} };
	if ($options{spec}) {
		$self->write_file('spec.json', JSON::PP::encode_json($options{spec}));
		push @arguments, '--spec', "$base/spec.json";
	}
	# Whoever stops this test by force stops neither the servers nor the guard.
	$self->spawn(undef, 'setsid', "$scripts/lab", '--dir', $self->{dir}, 'guard', $$);
	$self->lab(@arguments);
	return $self;
}

sub base { return $_[0]{base} }
sub dir { return $_[0]{dir} }

sub write_file {
	my ($self, $name, $text) = @_;
	open my $file, '>', "$self->{base}/$name" or die "$self->{base}/$name: $!\n";
	print $file $text;
	close $file;
	return "$self->{base}/$name";
}

# Runs a lab command; returns its output and dies when it fails.
sub lab {
	my ($self, @arguments) = @_;
	my ($code, $out, $err) = $self->lab_may_fail(@arguments);
	die "lab @arguments failed: $err\n" if $code != 0;
	chomp $out;
	return $out;
}

sub lab_may_fail {
	my ($self, @arguments) = @_;
	return run_command("$scripts/lab", '--dir', $self->{dir}, @arguments);
}

# Does something bad to a member; returns an instant before it.
sub fault {
	my ($self, @fault) = @_;
	my ($begun, $done) = $self->lab('fault', @fault) =~ / at (\d+), done at (\d+)$/ or die "lab fault tells no time\n";
	$self->{fault_done_at} = $done;
	return $begun;
}

# From when on the last fault has had its effect: a busy machine takes its time to find the processes, or to run `ip`.
sub fault_done_at { return $_[0]{fault_done_at} }

# Packets between two members vanish; both still reach everybody else. `heal` of $one undoes it.
sub cut_between {
	my ($self, $one, $other) = @_;
	my ($failed, $out, $err) = run_command('python3', '-Bc', <<'PYTHON', $self->{dir}, $one, $other);
import sys
from lablib import cluster
lab = cluster.Lab(sys.argv[1])
lab.load()
lab.network.cut_between(*sys.argv[2:])
lab.data["cut"][sys.argv[2]] = "from " + sys.argv[3]
lab.save()
PYTHON
	die "$one was not cut from $other: $err\n" if $failed;
	return;
}

# The hosts of these members reach each other, and nobody else. `heal` of each undoes it.
sub cut_off {
	my ($self, @side) = @_;
	my ($failed, $out, $err) = run_command('python3', '-Bc', <<'PYTHON', $self->{dir}, @side);
import sys
from lablib import cluster
lab = cluster.Lab(sys.argv[1])
lab.load()
side = sys.argv[2:]
for other in sorted(set(lab.data["hosts"]) - set(side), key=lambda host: not host.startswith("etcd")):
    for host in side:
        lab.network.cut_between(host, other)
for host in side:
    lab.data["cut"][host] = "from all but " + ", ".join(side)
lab.save()
PYTHON
	die "@side were not cut off: $err\n" if $failed;
	return;
}

# A process of a node's Postgres by the title that it gives itself; undef: there is none.
sub server_process {
	my ($self, $node, $title) = @_;
	my ($postmaster) = split /\n/, FencedServer::read_text("$self->{dir}/$node/data/postgres/postmaster.pid");
	my %children = FencedServer::children_of($postmaster);
	return (grep { $children{$_} =~ $title } sort keys %children)[0];
}

# What a member publishes under this key, as a hash; undef: nothing.
sub published {
	my ($self, $key) = @_;
	my $text = $self->etcdctl('get', '--print-value-only', $self->key($key));
	return $text eq '' ? undef : JSON::PP::decode_json($text);
}

sub env {
	my ($self, $key) = @_;
	for my $line (split /\n/, $self->lab('env')) {
		my ($name, $value) = split /=/, $line, 2;
		next if $name ne $key;
		$value =~ s/^'(.*)'$/$1/;
		return $value;
	}
	die "lab env prints no $key\n";
}

sub dsn {
	my ($self, $where) = @_;
	return $self->env('dsn') if $where eq 'proxy';
	return $self->env('ro_dsn') if $where eq 'ro';
	$where =~ s/^node/node_/;
	return $self->env($where);
}

# The prefix of a command that runs on the client host, as a list.
sub client_exec { my ($self) = @_; return split ' ', $self->{client_exec} //= $self->env('client_exec') }

# The same for a node's own host.
sub node_exec {
	my ($self, $node) = @_;
	my @prefix = $self->client_exec;
	s/-client$/-$node/ for @prefix;
	return @prefix;
}

sub nodes {
	my ($self) = @_;
	return sort grep { /^node/ } keys %{ $self->status->{members} };
}

sub status { return JSON::PP::decode_json($_[0]->lab('status', '--json')) }
sub master { return $_[0]->lab('master') }

# One value, as superuser, from a node's database app; '' for null and for no row.
sub sql {
	my ($self, $node, $sql, @more) = @_;
	return $self->lab('psql', $node, '-XAtqd', 'app', '-v', 'ON_ERROR_STOP=1', '-c', $sql, @more);
}

# Of several members, whichever answers.
sub etcdctl {
	my ($self, @arguments) = @_;
	local $ENV{ETCDCTL_API} = 3;
	my $endpoints = $self->{etcd} //= [ split /,/, $self->env('etcd') ];
	my @problems;
	for (@$endpoints) {
		my ($code, $out, $err) = run_command($self->client_exec, 'etcdctl', '--endpoints', $endpoints->[0],
			'--command-timeout', @$endpoints > 1 ? '1s' : '5s', @arguments);
		chomp $out;
		return $out if $code == 0;
		push @problems, $err;
		push @$endpoints, shift @$endpoints;
	}
	die "etcdctl @arguments failed: @problems\n";
}

sub key {
	my ($self, $name) = @_;
	return "stolon/cluster/lab/$name";
}

sub clusterdata {
	my ($self) = @_;
	return JSON::PP::decode_json(
		$self->etcdctl('get', '--print-value-only', $self->key('clusterdata')));
}

# The events of the cluster's history, oldest first.
sub history {
	my ($self) = @_;
	return map { JSON::PP::decode_json($_) } split /\n/, $self->etcdctl('get', '--print-value-only', '--prefix', $self->key('history/'));
}

# What a member has logged so far.
sub log_text {
	my ($self, $member) = @_;
	my ($code, $out, $err) = $self->lab_may_fail('logs', $member);
	return $out;
}

sub wait_for_master_other_than {
	my ($self, $old, $timeout) = @_;
	return poll_until("another master than $old",
		sub { my $new = $self->master; $new ne '' && $new ne $old && $new }, $timeout);
}

# Until every standby streams from the master and the proxies answer.
sub wait_until_whole {
	my ($self, $timeout) = @_;
	return $self->lab('wait', '--timeout', $timeout // 90);
}

sub is_standby {
	my ($self, $node) = @_;
	return $self->sql($node, 'select pg_is_in_recovery()') eq 't';
}

# Starts proxy1 anew with these options; returns when both of its ports take connections.
sub restart_proxy {
	my ($self, @options) = @_;
	$self->lab('stop', 'proxy1');
	$self->lab('start', 'proxy1', '--', @options);
	for my $which ('proxy', 'ro') {
		my ($host, $port) = $self->dsn($which) =~ /\@([^:]+):(\d+)/;
		poll_until("$host:$port takes connections", sub { (run_command($self->client_exec, 'bash', '-c', ': < "/dev/tcp/$0/$1"', $host, $port))[0] == 0 });
	}
	return;
}

sub make_table {
	my ($self) = @_;
	$self->sql($self->master, <<'SQL');
create table if not exists acked (source text, number bigint,
	at timestamptz not null default clock_timestamp(), primary key (source, number));
grant all on acked to app
SQL
	return;
}

# A client that writes rows from now on: through the proxy, or directly to a node. With `inside` it
# runs on the node's own host.
sub writer {
	my ($self, $where, %options) = @_;
	my $source = $options{source} // ($options{inside} ? "${where}_inside" : $where);
	my $log = "$self->{base}/writer-$source.log";
	my @host = $options{inside} ? $self->node_exec($where) : $self->client_exec;
	my @command = (
		@host, "$scripts/writer", '--dsn', $self->dsn($where),
		'--log', $log, '--source', $source, '--timeout', $options{timeout} // 120,
		'--interval', $options{interval} // 0.005,
		'--retry', $options{retry} // ($where eq 'proxy' ? 0.01 : 0.05), $options{read} ? '--read' : ());
	my $writer = bless { log => $log, source => $source, pid => spawn($self, undef, @command) },
	  'StolonLab::Writer';
	push @{ $self->{writers} }, $writer;
	return $writer;
}

sub spawn {
	my ($self, $output, @command) = @_;
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		$output //= "$self->{base}/spawned.log";
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $output;
		open STDERR, '>>', $output;
		exec @command or POSIX::_exit(127);
	}
	return $pid;
}

# Notes from now on when the store names a master.
sub watch_master {
	my ($self) = @_;
	my $log = "$self->{base}/watch.log";
	my $watches = ++$self->{watches};
	my $pid = spawn($self, $log, "$scripts/lab", '--dir', $self->{dir}, 'watch');
	push @{ $self->{writers} }, bless { pid => $pid, log => $log }, 'StolonLab::Writer';
	$self->{watch} = $log;
	poll_until('the key `master` is watched', sub {
		open my $file, '<', $log or return 0;
		return scalar(grep { $_ eq "watching\n" } <$file>) == $watches;
	});
	return;
}

# [{at, epoch, db}]: how the key `master` has changed since watch_master.
sub master_changes {
	my ($self) = @_;
	open my $file, '<', $self->{watch} or die "$self->{watch}: $!\n";
	my @changes;
	while (my $line = <$file>) {
		next unless $line =~ /^(\d+) (\{.*\})$/;
		my $value = JSON::PP::decode_json($2);
		push @changes, { at => $1, epoch => $value->{epoch}, db => $value->{db} };
	}
	return @changes;
}

# Until every standby of the view that runs has replayed what the master has written so far.
sub wait_for_replay {
	my ($self) = @_;
	my $master = $self->master;
	my $lsn = $self->sql($master, 'select pg_current_wal_flush_lsn()');
	for my $node (grep { $_ ne $master } $self->nodes) {
		poll_until("$node has replayed up to $lsn", sub { $self->sql($node, "select pg_last_wal_replay_lsn() >= '$lsn'") eq 't' });
	}
	return $lsn;
}

# Every other node has on its disk what the master has flushed. Returns how far that is.
sub wait_until_flushed {
	my ($self, $master) = @_;
	my $others = grep { $_ ne $master } $self->nodes;
	my $lsn = $self->sql($master, 'select pg_current_wal_flush_lsn()');
	poll_until("the standbys have flushed up to $lsn", sub {
		$self->sql($master, "select count(*) = $others and bool_and(flush_lsn >= '$lsn') from pg_stat_replication") eq 't';
	});
	return $lsn;
}

# The last beat of the master tells of this position.
sub wait_until_told {
	my ($self, $master, $lsn) = @_;
	return poll_until("the beat of $master tells of $lsn",
		sub { lsn_value($self->published("keepers/beat/$master")->{position}{lsn}) >= lsn_value($lsn) });
}

# An LSN as a number of bytes.
sub lsn_value { my ($high, $low) = split m{/}, $_[0]; return hex($high) * 2**32 + hex $low }

# All nodes hold the same rows, and stand on the master's timeline.
sub check_same_rows {
	my ($self, $what) = @_;
	my $master = $self->master;
	$self->wait_for_replay;
	my $query = q{select count(*) || ' rows, ' || coalesce(md5(string_agg(source || number, ',' order by source, number)), '') from acked};
	my %rows = map { $_ => $self->sql($_, $query) } $self->nodes;
	is($rows{$_}, $rows{$master}, "$what: $_ has the rows of $master") for grep { $_ ne $master } sort keys %rows;
	return;
}

# What the writer has had acknowledged and what is on every standby's disk: rows that no failover
# may lose.
sub safe_number {
	my ($self, $writer) = @_;
	my $number = $writer->last_ack;
	my $master = $self->master;
	my $lsn = $self->sql($master, 'select pg_current_wal_flush_lsn()');
	poll_until("the standbys have flushed up to $lsn", sub {
		$self->sql($master, "select count(*) > 0 and bool_and(flush_lsn >= '$lsn') "
			  . 'from pg_stat_replication') eq 't';
	});
	return $number;
}

# The numbers up to $limit that a writer has had acknowledged and that $node does not have.
sub missing_rows {
	my ($self, $node, $writer, $limit) = @_;
	my %stored = map { $_ => 1 } split /\n/,
	  $self->sql($node, "select number from acked where source = '$writer->{source}'");
	return grep { !$stored{$_} && (!defined $limit || $_ <= $limit) }
	  map { $_->{number} } $writer->acks;
}

# A list for a message, cut short.
sub some {
	my @items = @_;
	return "@items" if @items <= 12;
	return "@items[0 .. 11] ... (" . scalar(@items) . ')';
}

sub stop_writers {
	my ($self) = @_;
	$_->stop for @{ $self->{writers} };
	$self->{writers} = [];
	return;
}

sub remove {
	my ($self) = @_;
	return if $self->{removed} || $self->{owner} != $$;
	$self->{removed} = 1;
	$self->stop_writers;
	if (-e "$self->{dir}/lab.json") {
		my ($code, $out, $err) = $self->lab_may_fail('down');
		diag("lab down failed: $err") if $code != 0;
		return $code == 0 if $code != 0;
	}
	remove_tree($self->{base});
	return 1;
}

# The end of every member's log, for a test that failed.
sub show_logs {
	my ($self) = @_;
	my $status = eval { $self->status } or return;
	for my $member (sort keys %{ $status->{members} }) {
		next if $member eq 'etcd';
		my ($code, $out) = $self->lab_may_fail('logs', $member, '-n', '40');
		diag("---- the end of ${member}'s log\n$out");
	}
	return;
}

END {
	my $code = $?;
	for my $lab (@labs) {
		next if $lab->{owner} != $$;
		$lab->show_logs if $code != 0 || !Test::More->builder->is_passing;
		$lab->remove;
	}
	$? = $code;
}

$SIG{INT} = $SIG{TERM} = sub { exit 130 };

# ---- One fault of the master, from the first write to the last check.
#
# A client writes through the proxy and one directly to each node while $options{fault}($lab, $old)
# strikes; it returns the instant. A standby must take over, and after $options{heal} the old master must come back as a
# standby. Proven: rows that had been streamed are there; no two servers acknowledge writes at the
# same time; the old master acknowledges nothing once the new one is named. (With late_delivery an
# answer to what was sent before the fault may arrive late: a cut network holds it back, and TCP
# delivers it when the network is whole again. With lease_runs the election is opened while the old master's lease runs,
# so that only the naming ends its time.)
# Returns {old, new, fault_at, proxy, direct}, with the writers stopped.
sub prove_failover {
	my ($self, %options) = @_;
	$self->make_table;
	my $proxy = $self->writer('proxy');
	my %direct = map { $_ => $self->writer($_) } $self->nodes;
	my $old = $self->master;
	$options{before}->($self, $old) if $options{before};
	$_->wait_for_acks(50) for $proxy, $direct{$old};
	$self->watch_master;
	my %safe = map { $_->{source} => $self->safe_number($_) } $proxy, $direct{$old};

	my $fault_at = $options{fault}->($self, $old);
	my $new = $self->wait_for_master_other_than($old, 60);
	pass("$new took over from $old");
	$proxy->wait_for_acks(20, $fault_at, 60, 'through the proxy after the fault');
	diag(sprintf 'the client saw %.2f s of outage and %d errors',
		$proxy->outage($fault_at), scalar $proxy->errors($fault_at));
	$direct{$new}->wait_for_acks(20, $fault_at, 60, "at $new after the fault");
	$options{heal}->($self, $old) if $options{heal};
	is($self->wait_until_whole, $new, "$old streams from $new again");
	my $healed_at = now();
	$proxy->wait_for_acks(20, $healed_at);
	$self->stop_writers;

	ok($self->is_standby($old), "$old is a standby");
	ok(!$self->is_standby($new), "$new is a primary");
	for my $writer ($proxy, $direct{$old}) {
		my @missing = $self->missing_rows($new, $writer, $safe{ $writer->{source} });
		is(some(@missing), '', "rows that had been streamed are there ($writer->{source})");
		my @all = $self->missing_rows($new, $writer);
		diag("acknowledged rows of $writer->{source} that had not been streamed: " . some(@all))
		  if @all;
	}
	my %acks = map { $_ => [ $direct{$_}->acks ] } keys %direct;
	if ($options{late_delivery}) {
		my $done_at = $self->fault_done_at;
		my %before = map { $_->{number} => 1 }
		  grep { $_->{kind} eq 'attempt' && $_->{at} < $done_at } $direct{$old}->events;
		@{ $acks{$old} } =
		  grep { !$before{ $_->{number} } || $_->{at} < $done_at } @{ $acks{$old} };
	}
	$self->check_one_writer(%acks);
	$self->check_fenced($acks{$old}, $fault_at, $options{lease_runs});
	return { old => $old, new => $new, fault_at => $fault_at, proxy => $proxy,
		direct => \%direct };
}

# Between the first and the last acknowledgement of one server none comes from another.
sub check_one_writer {
	my ($self, %acks) = @_;
	my @acks = sort { $a->{at} <=> $b->{at} }
	  map { my $node = $_; map { { at => $_->{at}, node => $node } } @{ $acks{$node} } }
	  keys %acks;
	my @order;
	for my $ack (@acks) {
		push @order, $ack->{node} if !@order || $order[-1] ne $ack->{node};
	}
	my %seen;
	my @again = grep { $seen{$_}++ } @order;
	is(some(@again), '', 'one server at a time acknowledged writes (' . some(@order) . ')');
	return;
}

# The old master, whose acknowledgements these are, gave none after the store had opened an election; if its lease was
# running then, none after another was named.
sub check_fenced {
	my ($self, $acks, $fault_at, $lease_runs) = @_;
	my ($change) = grep { $_->{at} > $fault_at && (!$lease_runs || $_->{db} ne '') } $self->master_changes;
	ok($change, 'the store has opened an election');
	return if !$change;
	my @late = grep { $_->{at} > $change->{at} } @$acks;
	is(scalar @late, 0, 'the old master acknowledged nothing after ' . ($lease_runs ? 'another was named' : 'the election began'));
	my @acks = grep { $_->{at} > $fault_at } @$acks;
	diag(sprintf 'the old master stopped acknowledging %.2f s after the fault, %.2f s before the '
		  . 'election', @acks ? ($acks[-1]{at} - $fault_at) / 1e6 : 0,
		($change->{at} - (@acks ? $acks[-1]{at} : $fault_at)) / 1e6);
	return;
}

package StolonLab::Writer;

use strict;
use warnings;
use POSIX ();
use Time::HiRes qw(sleep);

# [{at, kind, number, text}]
sub events {
	my ($self) = @_;
	open my $file, '<', $self->{log} or return ();
	my @events;
	while (my $line = <$file>) {
		# The last line may be half written.
		next unless $line =~ /^(\d+) (\w+) (\d+) ?(.*)\n$/;
		push @events, { at => $1, kind => $2, number => $3, text => $4 };
	}
	return @events;
}

sub acks { return grep { $_->{kind} eq 'ack' } $_[0]->events }

sub errors {
	my ($self, $since) = @_;
	return grep { $_->{kind} =~ /^(error|lost|refused)$/ && $_->{at} >= ($since // 0) }
	  $self->events;
}

sub last_ack {
	my ($self) = @_;
	my @acks = $self->acks;
	return @acks ? $acks[-1]{number} : 0;
}

# Until $count rows have been acknowledged after the instant $since.
sub wait_for_acks {
	my ($self, $count, $since, $timeout, $what) = @_;
	$what //= "of $self->{source}";
	return StolonLab::poll_until("$count acknowledged rows $what", sub {
		my @events = $self->events;
		my @acks = grep { $_->{kind} eq 'ack' && $_->{at} >= ($since // 0) } @events;
		die(@events ? "$events[-1]{kind} $events[-1]{text}" : 'no event') if @acks < $count;
		1;
	}, $timeout);
}

# Seconds of the longest pause between two acknowledgements that ends after $since.
sub outage {
	my ($self, $since) = @_;
	my ($last, $longest) = (undef, 0);
	for my $ack ($self->acks) {
		if ($ack->{at} >= $since) {
			my $from = defined $last && $last > $since ? $last : $since;
			$longest = $ack->{at} - $from if $ack->{at} - $from > $longest;
		}
		$last = $ack->{at};
	}
	return $longest / 1e6;
}

# The first answer that settles it: stops the program, by force if it waits for a server.
sub stop {
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	kill 'TERM', $pid;
	for (1 .. 40) {
		return if waitpid($pid, POSIX::WNOHANG()) == $pid;
		sleep 0.05;
	}
	kill 'KILL', $pid;
	waitpid $pid, 0;
	return;
}

1;
