# What t/084_* share: kill -9 of a part at a certain moment, and what must hold afterwards.
package Kills;

use strict;
use warnings;

use Exporter qw(import);
use IPC::Run ();
use StolonLab;
use Test::More;

our @EXPORT = qw(begin_switchover strike_when struck_at victims restart check_bouncers leader other_node);

my $here = __FILE__ =~ s{[^/]*$}{}r;

# Kills $pids as soon as $condition (see strike.py) holds; finish it with struck_at.
sub strike_when {
	my ($lab, $condition, @pids) = @_;
	my ($address, $port) = $lab->env('etcd') =~ m{^http://([^:]+):(\d+)};
	my $strike = { out => '', err => '' };
	local $ENV{PYTHONPATH} = $StolonLab::scripts;
	$strike->{run} = IPC::Run::start(
		[ $lab->client_exec, 'python3', '-B', "$here/strike.py", $address, $port, $lab->key(''), $condition, @pids ],
		'<', \undef, '>', \$strike->{out}, '2>', \$strike->{err}, IPC::Run::timeout(60));
	$strike->{run}->pump until $strike->{out} =~ /ready/;
	return $strike;
}

sub struck_at {
	my ($strike) = @_;
	$strike->{run}->finish;
	return $strike->{out} =~ /^(\d+)$/m ? $1 : die "strike.py: $strike->{err}\n";
}

sub begin_switchover {
	my ($lab, $target, $timeout) = @_;
	my $command = { out => '', err => '' };
	$command->{run} = IPC::Run::start(
		[ "$StolonLab::scripts/lab", '--dir', $lab->dir, 'stolonctl', 'switchover', '--to', $target, '--timeout', $timeout ],
		'<', \undef, '>', \$command->{out}, '2>', \$command->{err});
	return $command;
}

sub leader {
	my ($lab) = @_;
	return $lab->etcdctl('get', '--print-value-only', $lab->key('sentinel-leader')) =~ /(sentinel\d)/ ? $1 : die "nobody leads\n";
}

sub other_node {
	my ($lab, $node) = @_;
	return (grep { $_ ne $node } $lab->nodes)[0];
}

sub bouncer_dirs { my ($lab) = @_; return map { $lab->dir . "/proxy1/run/rw-$_" } 0, 1 }

sub bouncer_pid {
	my ($dir) = @_;
	open my $file, '<', "$dir/lock" or die "$dir/lock: $!\n";
	return <$file> =~ /^(\d+)/ ? $1 : die "no pid in $dir/lock\n";
}

# Who can be killed: name => [member to start again or '', pids].
sub victims {
	my ($lab, $old, $target) = @_;
	my $members = $lab->status->{members};
	my $main = sub { [ $_[0], $members->{ $_[0] }{pid} ] };
	my @bouncers = map { bouncer_pid($_) } bouncer_dirs($lab);
	return (
		'stolon-proxy' => $main->('proxy1'),
		'one pgbouncer' => [ '', $bouncers[0] ],
		'all pgbouncers' => [ '', @bouncers ],
		'the leading sentinel' => $main->(leader($lab)),
		"the old master's launcher" => $main->($old),
		"the target's launcher" => $main->($target),
	);
}

# What a supervisor does.
sub restart {
	my ($lab, $member) = @_;
	$lab->lab('start', $member) if $member ne '';
	return;
}

# Asks a pgbouncer's console; returns (exit code, output and errors).
sub console {
	my ($lab, $dir, $statement) = @_;
	my ($port) = $lab->dsn('proxy') =~ /:(\d+)\/\w+$/;
	my @as = $> == 0 ? ('runuser', '-u', 'postgres', '--') : ();
	my ($code, $out, $err) = StolonLab::run_command(@as, 'psql', '-XAtq', '-h', $dir, '-p', $port, '-U', 'pgbouncer', '-d', 'pgbouncer', '-c', $statement);
	return ($code, $out . $err);
}

# Every pgbouncer runs, is not paused, and sends clients to the master; so does its file.
sub check_bouncers {
	my ($lab, $what) = @_;
	my ($host, $port) = $lab->dsn($lab->master) =~ /\@([^:]+):(\d+)/;
	for my $dir (bouncer_dirs($lab)) {
		my ($name) = $dir =~ m{([^/]+)$};
		my $databases = StolonLab::poll_until("$name answers", sub { my ($code, $out) = console($lab, $dir, 'show databases'); $code == 0 && $out }, 20);
		my @wrong = grep { !/^pgbouncer\|/ && !/^[^|]*\|\Q$host\E\|$port\|/ } split /\n/, $databases;
		is("@wrong", '', "$what: $name sends clients to the master");
		like(`cat $dir/pgbouncer.ini`, qr/^\* = host=\Q$host\E port=$port$/m, "$what: ... and so does its file");
		my (undef, $answer) = console($lab, $dir, 'resume');
		like($answer, qr/not paused/, "$what: $name is not paused");
		ok(!-e "$dir/held-back", "$what: $name holds nothing back");
	}
	return;
}

1;
