# Goal: stolonctl tells an operator the truth, changes nothing that it should not, and ends with the
# exit code that its help documents.
# Method: a real etcd and no other part of the cluster; etcdctl plays the others by putting keys.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp qw(tempdir);
use JSON::PP qw(decode_json);
use StolonLab;
use Test::More;

my $stolonctl = ($ENV{STOLON_BIN_DIR} // "$FindBin::Bin/../build/bin") . '/stolonctl';
my $root = 'stolon/cluster/ctl';
my ($etcd_pid, $endpoint);

sub etcdctl {
	my (@arguments) = @_;
	local $ENV{ETCDCTL_API} = 3;
	my ($code, $out, $err) = StolonLab::run_command('etcdctl', '--endpoints', $endpoint, @arguments);
	die "etcdctl @arguments: $err\n" if $code != 0;
	return $out;
}

sub start_etcd {
	my ($client, $peer) = StolonLab::free_ports(2);
	my $dir = tempdir('stolon-ctl-XXXXXX', TMPDIR => 1, CLEANUP => 1);
	$endpoint = "http://127.0.0.1:$client";
	$etcd_pid = fork // die "fork: $!\n";
	if ($etcd_pid == 0) {
		open STDOUT, '>', "$dir/log";
		open STDERR, '>&', \*STDOUT;
		exec 'etcd', '--data-dir', "$dir/data", '--unsafe-no-fsync',
		  '--listen-client-urls', $endpoint, '--advertise-client-urls', $endpoint,
		  '--listen-peer-urls', "http://127.0.0.1:$peer",
		  '--initial-advertise-peer-urls', "http://127.0.0.1:$peer",
		  '--initial-cluster', "default=http://127.0.0.1:$peer"
		  or POSIX::_exit(127);
	}
	StolonLab::poll_until('etcd answers', sub { etcdctl('endpoint', 'health'); 1 }, 30);
	return;
}

# (exit code, stdout, stderr)
sub ctl {
	return StolonLab::run_command($stolonctl, '--cluster-name', 'ctl', '--store-endpoints', $endpoint,
		@_);
}

sub put {
	my ($name, $value) = @_;
	etcdctl('put', "$root/$name", $value);
	return;
}

# As a process that is present does it: the key goes with the lease.
sub put_with_lease {
	my ($name, $value) = @_;
	my ($lease) = etcdctl('lease', 'grant', '600') =~ /lease (\w+) granted/;
	etcdctl('put', "--lease=$lease", "$root/$name", $value);
	return;
}

sub forget_all { etcdctl('del', '--prefix', "$root/"); return }

sub refused {
	my ($what, $expected, @arguments) = @_;
	my $before = etcdctl('get', '--prefix', '');
	my ($code, $out, $err) = ctl(@arguments);
	is($code, 1, "$what: exit code");
	like($err, $expected, "$what: message");
	is($out, '', "$what: nothing on standard output");
	is(etcdctl('get', '--prefix', ''), $before, "$what: nothing changed in the store");
	return;
}

start_etcd();

# ---- Arguments
{
	my ($code, $out, $err) = StolonLab::run_command($stolonctl, '--help');
	is($code, 0, 'help: exit code');
	like($out, qr/Exit codes: 0 done; 1 failed.*2 wrong arguments;\s+3 the store cannot be reached/s,
		'help tells the exit codes');
	for my $command (qw(init status spec version)) {
		($code, $out, $err) = StolonLab::run_command($stolonctl, $command, '--help');
		is($code, 0, "$command --help: exit code");
		like($out, qr/Exit codes:/, "$command --help tells the exit codes");
	}
	($code, $out, $err) = StolonLab::run_command($stolonctl, 'version');
	is($code, 0, 'version needs no cluster');
	like($out, qr/^stolon \d+\.\d+/, 'version');
	for my $arguments (['status', '--nonsense'], [], ['nonsense'], ['status', '--log-level', 'loud']) {
		($code, $out, $err) = ctl(@$arguments);
		is($code, 2, "wrong arguments (@$arguments): exit code");
		isnt($err, '', "wrong arguments (@$arguments): message");
	}
	($code, $out, $err) = StolonLab::run_command($stolonctl, 'status', '--store-endpoints', $endpoint);
	is($code, 2, 'no cluster name: exit code');
	like($err, qr/--cluster-name/, 'no cluster name: message');
	($code, $out, $err) = StolonLab::run_command($stolonctl, 'status', '--cluster-name', 'ctl',
		'--store-endpoints', 'ftp://x:1');
	is($code, 2, 'bad endpoint: exit code');
	like($err, qr/--store-endpoints.*ftp/, 'bad endpoint: message');
}

# ---- The store is away
{
	my $nobody = 'http://127.0.0.1:' . (StolonLab::free_ports(1))[0];
	for my $command (qw(status spec init)) {
		my ($code, $out, $err) = StolonLab::run_command($stolonctl, $command, '--cluster-name', 'ctl',
			'--store-endpoints', $nobody);
		is($code, 3, "$command without a store: exit code");
		like($err, qr/\Q$nobody\E cannot be reached/, "$command without a store: names the endpoint");
	}
}

# ---- Before the cluster is there
for my $command (['status'], ['status', '--json'], ['spec']) {
	refused("@$command before init", qr/not initialised: run `stolonctl init`/, @$command);
}
refused('init with a text that is not JSON', qr/not JSON/, 'init', '{"failInterval"');
refused('init with a bad option', qr/failInterval/, 'init', '{"failInterval": "1ms"}');
refused('init with a missing file', qr{/nonexistent/spec}, 'init', '-f', '/nonexistent/spec');

# ---- init refuses over remains
for my $remains ('master', 'keepers/beat/one', 'history/00000001') {
	put($remains, '{}');
	refused("init over $remains", qr{remains.*\Q$remains\E}, 'init', '--yes');
	forget_all();
}
put_with_lease('keepers/node/one', '{"uid":"one","phase":"waiting","bootID":"b","host":"127.0.0.1",'
	  . '"port":5432,"db":"0a0b0c0d","systemID":"7300000000000000001","pgVersion":150000}');
refused('init beside a launcher that has data', qr/keeper one already holds.*0a0b0c0d/, 'init');
forget_all();

# ---- init
{
	# A launcher that waits is no obstacle.
	put_with_lease('keepers/node/one', '{"uid":"one","phase":"waiting","bootID":"b",'
		  . '"host":"127.0.0.1","port":5432,"db":"","systemID":"","pgVersion":150000}');
	my ($code, $out, $err) = ctl('init', '{"failInterval": "3s", "somethingNew": [1]}');
	is($code, 0, 'init: exit code') or diag $err;
	my $data = decode_json(etcdctl('get', '--print-value-only', "$root/clusterdata"));
	is($data->{phase}, 'initializing', 'init: phase');
	like($data->{clusterUID}, qr/^[0-9a-f]{16}$/, 'init: uid of the cluster');
	like($out, qr/$data->{clusterUID}/, 'init tells the uid');
	is($err, qq(stolonctl: warning: "somethingNew" is no option of the cluster spec; it is kept, and has no effect\n),
		'init: an option without effect is told');
	refused('a second init', qr/already initialised/, 'init', '--yes');

	($code, $out, $err) = ctl('spec');
	is($code, 0, 'spec: exit code');
	my $spec = decode_json($out);
	is($spec->{failInterval}, '3s', 'spec: what was given');
	is($spec->{sleepInterval}, '5s', 'spec: a default');
	is_deeply($spec->{somethingNew}, [1], 'spec: an unknown option is kept');

	($code, $out, $err) = ctl('status');
	is($code, 0, 'status after init: exit code');
	like($out, qr/^INITIALIZING: waiting for a first node/, 'status after init: headline');
	like($out, qr/one .*127\.0\.0\.1:5432.*waiting/, 'status after init: the waiting launcher');
	like($out, qr/no sentinel runs/, 'status after init: the missing sentinel');
	($code, $out, $err) = ctl('status', '--json');
	is(decode_json($out)->{health}, 'initializing', 'status --json after init');
}

# ---- update
{
	my ($code, $out, $err) = ctl('update', '{"somethingNew": null, "maxstandbylag": 4096, "keepers": {"x": {"failoverPriority": 0}}}');
	is($code, 0, 'update: exit code') or diag $err;
	like($err, qr/\Astolonctl: warning: keepers: there is no keeper x yet.*\n\z/, 'update: a keeper that is not there is told');
	my $spec = decode_json((ctl('spec'))[1]);
	is($spec->{maxStandbyLag}, 4096, 'update: an option in any case of its letters');
	is($spec->{failInterval}, '3s', 'update: what was not named stays');
	ok(!exists $spec->{somethingNew}, 'update: null takes one out');
	my $before = etcdctl('get', '--prefix', "$root/clusterdata");
	($code, $out, $err) = ctl('update', '--patch', '{"maxStandbyLag": 4096}');
	is("$code $out", "0 the spec says that already; nothing was changed\n", 'update: nothing to do');
	is(etcdctl('get', '--prefix', "$root/clusterdata"), $before, '... and nothing is written');
	refused("update with $_->[0]", $_->[1], 'update', $_->[2]) for
	  ['a bad value', qr/maxStandbyLag: "x" is not acceptable/, '{"maxStandbyLag": "x"}'],
	  ['a bad priority', qr/keepers\.x\.failoverPriority: -1 is not acceptable/, '{"keepers": {"x": {"failoverPriority": -1}}}'],
	  ['no object', qr/must be an object/, '[1]'],
	  ['a managed parameter', qr/primary_conninfo/, '{"pgParameters": {"primary_conninfo": "x"}}'];
	is((ctl('update', '{'))[0], 2, 'update: no JSON');
	is((ctl('update'))[0], 2, 'update: nothing given');
}

# ---- Damage
{
	put('keepers/info/one', '{"uid": "one", ');
	my ($code, $out, $err) = ctl('status');
	is($code, 0, 'status beside a damaged info: exit code');
	like($out, qr{unreadable: \S*keepers/info/one}, 'status beside a damaged info: names it');
	for my $damaged ('{"formatVersion":1', '[]', '{}', '{"formatVersion":99}', '[' x 100) {
		put('clusterdata', $damaged);
		for my $command (['status'], ['status', '--json'], ['spec'], ['init']) {
			refused("@$command with clusterdata " . substr($damaged, 0, 20),
				qr{^stolonctl: \Q$root\E/clusterdata is damaged: [^\n]+\n$}, @$command);
		}
	}
}

# ---- A spec from a file and from standard input
{
	forget_all();
	my ($code, $out, $err) = StolonLab::run_command('sh', '-c',
		"echo '{\"failInterval\":\"7s\"}' | $stolonctl init -f - --cluster-name ctl --store-endpoints $endpoint"
	);
	is($code, 0, 'init -f -: exit code') or diag $err;
	($code, $out, $err) = ctl('spec');
	is(decode_json($out)->{failInterval}, '7s', 'init -f -: spec');
}

done_testing();

END {
	if ($etcd_pid) {
		my $code = $?;
		kill 'KILL', $etcd_pid;
		waitpid $etcd_pid, 0;
		$? = $code;
	}
}
