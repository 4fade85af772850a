# One Postgres with the extension and one etcd, and a view that the test writes by hand: for what a single server does
# with its lease, without launcher, sentinel and proxy. Everything is removed at the end of the file.
package FencedServer;

use strict;
use warnings;

use File::Path ();
use HTTP::Tiny ();
use IPC::Run ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;
use Time::HiRes qw(sleep);

use StolonLab;
use StolonRelay;

my $here = __FILE__ =~ s{[^/]*$}{}r;
my $cluster_uid = '0123456789abcdef';
my @servers;

# Options: spec (a hash, the cluster's), parameters (a text for postgresql.conf), environment (a hash, the server's), start_in
# (a list, the beginning of a command that starts the server), relay (the server reaches the store through a StolonRelay),
# endpoints (a text, in front of the store's own endpoint).
sub new {
	my ($class, %options) = @_;
	my ($failed, $base, $problem) = StolonLab::run_command(
		'python3', '-Bc', 'from lablib import cluster; print(cluster.scratch_directory("stolon-f-"))');
	die "no directory: $problem\n" if $failed;
	chomp $base;
	my ($port, $store_port, $peer_port) = StolonLab::free_ports(3);
	my $self = bless {
		base => $base, data => "$base/data", port => $port, store_port => $store_port, peer_port => $peer_port,
		spec => $options{spec} // {}, owner => $$, generation => 0, writers => [],
		environment => $options{environment} // {}, start_in => $options{start_in} // [],
	}, $class;
	push @servers, $self;
	chomp($self->{bin} = `@{[$ENV{PG_CONFIG} // 'pg_config']} --bindir`);
	mkdir "$base/data" or die "$base/data: $!\n";
	chmod 0755, $base;
	if ($> == 0) {
		my ($uid, $gid) = (getpwnam($ENV{TEST_USER} // 'postgres'))[ 2, 3 ];
		chown $uid, $gid, $base, $self->{data};
		$self->{as} = [ 'setpriv', "--reuid=$uid", "--regid=$gid", '--clear-groups' ];
	}
	$self->start_store;
	if ($options{relay}) {
		$self->{relay} = StolonRelay->new(to => $store_port, log => "$base/relay.log", mark => key('keepers/beat/k1'));
		$store_port = $self->{relay}->port;
	}
	$self->{endpoints} = join ',', $options{endpoints} // (), "http://127.0.0.1:$store_port";
	$self->make_data($options{parameters} // '');
	return $self;
}

sub command { my ($self, @command) = @_; return (@{ $self->{as} // [] }, @command) }

# Runs a program of PostgreSQL as the servers' user; dies when it fails.
sub run {
	my ($self, @command) = @_;
	my ($code, $out, $err) = StolonLab::run_command($self->command(@command));
	die "@command failed ($code): $err$out\n" if $code != 0;
	return $out;
}

sub start_store {
	my ($self) = @_;
	my $client = "http://127.0.0.1:$self->{store_port}";
	my $peer = "http://127.0.0.1:$self->{peer_port}";
	$self->{store} = StolonLab::spawn($self, "$self->{base}/etcd.log", 'etcd', '--data-dir', "$self->{base}/etcd",
		'--listen-client-urls', $client, '--advertise-client-urls', $client,
		'--listen-peer-urls', $peer, '--initial-advertise-peer-urls', $peer, '--initial-cluster', "default=$peer");
	StolonLab::poll_until('etcd answers', sub { (StolonLab::run_command('etcdctl', '--endpoints', $client, 'endpoint', 'health'))[0] == 0 });
	return;
}

sub make_data {
	my ($self, $parameters) = @_;
	my $data = $self->{data};
	$self->run("$self->{bin}/initdb", '-D', $data, '-U', 'postgres', '-A', 'trust', '--no-sync');
	append("$data/postgresql.conf", "fsync = off\n$parameters\ninclude_if_exists = 'stolon.conf'\n");
	append("$data/stolon.conf", join "\n", "shared_preload_libraries = 'stolon'", "stolon.cluster_name = 'fenced'",
		"stolon.keeper_uid = 'k1'", "stolon.store_endpoints = '$self->{endpoints}'",
		"stolon.advertise_host = '127.0.0.1'", "listen_addresses = '127.0.0.1'", "port = $self->{port}",
		"unix_socket_directories = ''", '');
	append("$data/stolon.state", JSON::PP::encode_json({ clusterName => 'fenced', clusterUID => $cluster_uid,
		keeper => 'k1', db => 'aaaaaaaa', epoch => 0 }));
	if ($self->{as}) {
		chown((getpwnam($ENV{TEST_USER} // 'postgres'))[ 2, 3 ], "$data/stolon.conf", "$data/stolon.state");
	}
	my $script = "CREATE EXTENSION stolon;\nCREATE TABLE t (id int);\n";
	my ($out, $err) = ('', '');
	IPC::Run::run([ $self->command("$self->{bin}/postgres", '--single', '-D', $data, 'postgres') ],
		'<', \$script, '>', \$out, '2>', \$err) or die "single-user mode failed: $err\n";
	return;
}

sub append {
	my ($path, $text) = @_;
	open my $file, '>>', $path or die "$path: $!\n";
	print $file $text;
	close $file;
	return;
}

sub truncate_file {
	my ($self, $name) = @_;
	truncate "$self->{data}/$name", 0 or die "$name: $!\n";
	return;
}

# Returns when the server is ready; with '-W' at once.
sub start {
	my ($self, $wait) = @_;
	my @environment = map { "$_=$self->{environment}{$_}" } sort keys %{ $self->{environment} };
	my @command = (@{ $self->{start_in} }, $self->command('env', @environment, "$self->{bin}/pg_ctl", '-D', $self->{data},
		'-l', "$self->{data}/server.log", $wait // '-w', 'start'));
	my ($code, $out, $err) = StolonLab::run_command(@command);
	die "@command failed ($code): $err$out\n" if $code != 0;
	return;
}

# Starts it as the master of epoch 1 and waits until it holds the lease.
sub start_as_master {
	my ($self) = @_;
	$self->start;
	$self->name_master('aaaaaaaa', 1);
	$self->wait_for_lease;
	return;
}

sub stop {
	my ($self, $mode) = @_;
	$self->run("$self->{bin}/pg_ctl", '-D', $self->{data}, '-w', '-m', $mode // 'immediate', 'stop');
	return;
}

sub ask_store {
	my ($self, $call, $request) = @_;
	my $answer = HTTP::Tiny->new(timeout => 5)->post("http://127.0.0.1:$self->{store_port}/v3/kv/$call",
		{ content => JSON::PP::encode_json($request) });
	die "etcd answered $answer->{status}: $answer->{content}\n" unless $answer->{success};
	return JSON::PP::decode_json($answer->{content});
}

sub key { return encode_base64("stolon/cluster/fenced/$_[0]", '') }

# Puts all of them in one transaction, as a sentinel would.
sub put {
	my ($self, %values) = @_;
	my @puts = map { { requestPut => { key => key($_), value => encode_base64($values{$_}, '') } } } sort keys %values;
	$self->ask_store('txn', { success => \@puts });
	return;
}

sub erase { $_[0]->ask_store('deleterange', { key => key($_[1]) }); return }

sub get {
	my ($self, $name) = @_;
	my $found = $self->ask_store('range', { key => key($name) })->{kvs};
	return $found ? decode_base64($found->[0]{value}) : undef;
}

sub revision_of {
	my ($self, $name) = @_;
	my $found = $self->ask_store('range', { key => key($name) })->{kvs};
	return $found ? $found->[0]{mod_revision} : 0;
}

# Writes a view in which db aaaaaaaa (this server's) or bbbbbbbb (nobody's) is master of an epoch; undef: of the present
# one, the naming itself does not change.
sub name_master {
	my ($self, $master, $epoch) = @_;
	my $same_naming = !defined $epoch;
	$epoch //= $self->{epoch};
	$self->{epoch} = $epoch;
	my $other = $master eq 'aaaaaaaa' ? 'bbbbbbbb' : 'aaaaaaaa';
	my $view = {
		formatVersion => 1, clusterUID => $cluster_uid, spec => { initMode => 'new', %{ $self->{spec} } },
		generation => ++$self->{generation}, epoch => $epoch, phase => 'normal', master => $master,
		keepers => {
			k1 => { db => 'aaaaaaaa', host => '127.0.0.1', port => $self->{port} },
			k2 => { db => 'bbbbbbbb', host => '127.0.0.1', port => 1 } },
		dbs => {
			aaaaaaaa => { keeper => 'k1', generation => 1, init => 'none' },
			bbbbbbbb => { keeper => 'k2', generation => 1, init => 'none' } },
	};
	$view->{dbs}{$other}{follow} = $master;
	$self->put(clusterdata => JSON::PP::encode_json($view),
		$same_naming ? () : (master => JSON::PP::encode_json({ epoch => $epoch, db => $master })));
	return;
}

sub freeze_store { kill 'STOP', $_[0]{store}; return }
sub thaw_store { kill 'CONT', $_[0]{store}; return }

# What a power failure does to etcd; start_store() brings it back.
sub kill_store {
	my ($self) = @_;
	kill 'KILL', $self->{store};
	waitpid $self->{store}, 0;
	return;
}

sub etcdctl {
	my ($self, @arguments) = @_;
	local $ENV{ETCDCTL_API} = 3;
	my ($code, $out, $err) = StolonLab::run_command('etcdctl', '--endpoints', "http://127.0.0.1:$self->{store_port}", @arguments);
	die "etcdctl @arguments failed: $err\n" if $code != 0;
	return $out;
}

sub dsn { return "host=127.0.0.1 port=$_[0]{port} user=postgres dbname=postgres" }

# (exit code, output, messages) of statements in one session; each text is a message of its own.
sub session {
	my ($self, @statements) = @_;
	return StolonLab::run_command('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', $self->dsn,
		map { ('-c', $_) } @statements);
}

# The output of statements that must succeed.
sub sql {
	my ($self, @statements) = @_;
	my ($code, $out, $err) = $self->session(@statements);
	die "@statements failed: $err\n" if $code != 0;
	chomp $out;
	return $out;
}

# Starts a session in the background; finish() gives what session() does.
sub begin {
	my ($self, @statements) = @_;
	my %running = (out => '', err => '');
	$running{handle} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', $self->dsn, map { ('-c', $_) } @statements ],
		'<', \undef, '>', \$running{out}, '2>', \$running{err});
	return \%running;
}

sub finish {
	my ($self, $running) = @_;
	IPC::Run::finish($running->{handle});
	return ($running->{handle}->result || 0, $running->{out}, $running->{err});
}

sub status { return $_[0]->sql("select $_[1] from stolon.status()") }

# Seconds for which the lease still lasts.
sub remaining { return $_[0]->sql('select extract(epoch from stolon.lease_remaining())') }

# When the lease ends, in microseconds on StolonLab's clock: not before the first, not after the second. 0 when it is not
# held.
sub deadline {
	my ($self) = @_;
	my $before = StolonLab::now();
	my $left = $self->remaining * 1e6;
	return $left > 0 ? ($before + $left, StolonLab::now() + $left) : (0, 0);
}

# ---- Processes

sub postmaster {
	my ($self) = @_;
	open my $file, '<', "$self->{data}/postmaster.pid" or die "no postmaster.pid: $!\n";
	return 0 + <$file>;
}

# {pid => what ps would show} of the processes that the postmaster has started.
sub children {
	my ($self) = @_;
	return children_of($self->postmaster);
}

sub children_of {
	my ($parent) = @_;
	my %found;
	for my $path (glob '/proc/[0-9]*/stat') {
		my $stat = read_text($path);
		next unless $stat =~ /^(\d+) .*\) \S (\d+)/s && $2 == $parent;
		my $pid = $1;
		($found{$pid} = read_text("/proc/$pid/cmdline")) =~ s/\0.*//s;
	}
	return %found;
}

sub read_text {
	my ($path) = @_;
	open my $file, '<', $path or return '';
	local $/;
	return <$file> // '';
}

# The pid of the lease worker ('lease') or the keeper worker ('keeper').
sub worker {
	my ($self, $which) = @_;
	return StolonLab::poll_until("the $which worker runs", sub {
		my %children = $self->children;
		(grep { $children{$_} =~ /stolon $which worker/ } keys %children)[0];
	});
}

# Stops the postmaster and all of its processes, as a hypervisor would, or lets them go on.
sub freeze {
	my ($self) = @_;
	my $postmaster = $self->postmaster;
	kill 'STOP', $postmaster;    # it starts no more
	my %children = children_of($postmaster);
	$self->{frozen} = [ $postmaster, keys %children ];
	kill 'STOP', keys %children;
	StolonLab::poll_until('all processes have stopped', sub {
		!grep { read_text("/proc/$_/stat") !~ /\) [TZX] / } @{ $self->{frozen} };
	});
	return;
}

# Children first, as a thawed postmaster would look after them.
sub thaw { my ($self) = @_; kill 'CONT', reverse @{ delete $self->{frozen} // [] }; return }

# ---- Clients

# A client that writes rows into `acked` from now on: a StolonLab::Writer.
sub writer {
	my ($self, $source, %options) = @_;
	my $log = "$self->{base}/writer-$source.log";
	my @command = ("$StolonLab::scripts/writer", '--dsn', "postgresql://postgres\@127.0.0.1:$self->{port}/postgres",
		'--log', $log, '--source', $source, '--timeout', $options{timeout} // 60, '--interval', 0.002, '--retry', 0.02);
	my $writer = bless { log => $log, source => $source, pid => StolonLab::spawn($self, undef, @command) }, 'StolonLab::Writer';
	push @{ $self->{writers} }, $writer;
	return $writer;
}

# From now on a process of its own notes when etcd shows new beats of this server.
sub note_beats {
	my ($self) = @_;
	my $log = "$self->{base}/beats.log";
	local $ENV{PYTHONPATH} = $StolonLab::scripts;
	my $pid = StolonLab::spawn($self, $log, 'python3', '-B', "$here/beats.py", '127.0.0.1', $self->{store_port},
		'stolon/cluster/fenced/keepers/beat/k1');
	push @{ $self->{writers} }, bless { log => $log, pid => $pid }, 'StolonLab::Writer';
	StolonLab::poll_until('beats are watched', sub { read_text($log) =~ /^watching$/m });
	return;
}

# When, in microseconds on StolonLab's clock.
sub beats_noted { my ($self) = @_; return read_text("$self->{base}/beats.log") =~ /^(\d+)\n/mg }

sub make_table {
	my ($self) = @_;
	$self->sql('create table acked (source text, number bigint, primary key (source, number))');
	return;
}

sub stop_writers {
	my ($self) = @_;
	$_->stop for splice @{ $self->{writers} };
	return;
}

# A copy of the running server on a port of its own, as a restored backup would be; not started.
sub copy {
	my ($self) = @_;
	my $copy = bless { %$self, data => "$self->{base}/copy", port => StolonLab::free_ports(1), store => undef, relay => undef, writers => [],
		removed => 0 }, ref $self;
	unshift @servers, $copy;
	$self->run("$self->{bin}/pg_basebackup", '-d', $self->dsn, '-D', $copy->{data}, '-c', 'fast', '--no-sync');
	append("$copy->{data}/stolon.conf", "port = $copy->{port}\nunix_socket_directories = ''\n");
	return $copy;
}

# A started server beside it that has nothing to do with stolon. $parameters: a text for postgresql.conf.
sub plain_server {
	my ($self, $parameters) = @_;
	my $plain = bless { %$self, data => "$self->{base}/plain", port => StolonLab::free_ports(1), store => undef, removed => 0 }, ref $self;
	unshift @servers, $plain;
	$self->run("$self->{bin}/initdb", '-D', $plain->{data}, '-U', 'postgres', '-A', 'trust', '--no-sync');
	append("$plain->{data}/postgresql.conf",
		"fsync = off\nlisten_addresses = '127.0.0.1'\nport = $plain->{port}\nunix_socket_directories = ''\n$parameters");
	$plain->start;
	return $plain;
}

sub wait_for_lease {
	my ($self) = @_;
	StolonLab::poll_until('the server holds the lease', sub { $self->status('lease_valid') eq 't' });
	return;
}

# Until a beat has been put from now on: most of its validity lies ahead then.
sub wait_for_beat {
	my ($self) = @_;
	my $before = $self->revision_of('keepers/beat/k1');
	StolonLab::poll_until('a beat is put', sub { $self->revision_of('keepers/beat/k1') > $before });
	return;
}

sub wait_for_fence {
	my ($self) = @_;
	StolonLab::poll_until('the server is fenced', sub { $self->status('fenced') eq 't' });
	return;
}

sub log_text { return read_text("$_[0]{data}/server.log") }

sub remove {
	my ($self) = @_;
	return if $self->{removed}++ || $self->{owner} != $$;
	$self->stop_writers;
	$self->thaw if $self->{frozen};
	eval { $self->stop } if -e "$self->{data}/postmaster.pid";
	return unless $self->{store};
	$self->kill_store;
	$self->{relay}->remove if $self->{relay};
	File::Path::remove_tree($self->{base});
	return;
}

END {
	my $code = $?;
	for my $server (@servers) {
		next if $server->{owner} != $$;
		diag("---- the server's log\n" . $server->log_text)
		  if $code != 0 || !Test::More->builder->is_passing;
		$server->remove;
	}
	$? = $code;
}

1;
