# An etcd of one's own and stolon's programs on it, for tests that play the other parts by hand: keys
# are put and read through etcd's JSON gateway. Everything that was started is stopped at the end.
package StolonStore;

use strict;
use warnings;

use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use HTTP::Tiny ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Time::HiRes qw(clock_gettime sleep CLOCK_MONOTONIC);

use StolonLab ();

my $json = JSON::PP->new->canonical;
my $owner = $$;
my @stores;

sub seconds_now { return clock_gettime(CLOCK_MONOTONIC) }

# Repeats $check until it returns something true, which is returned. Dies after $timeout seconds.
sub poll_until {
	my ($what, $check, $timeout) = @_;
	my $end = seconds_now() + ($timeout // 90);
	while (1) {
		my $result = $check->();
		return $result if $result;
		die "waited in vain: $what\n" if seconds_now() > $end;
		sleep 0.002;
	}
}

# A connection per call: HTTP::Tiny sends head and body apart, which costs 40 ms on a kept one.
sub new {
	my ($class, $cluster) = @_;
	my $self = bless { dir => tempdir('stolon-store-XXXXXX', TMPDIR => 1), cluster => $cluster,
		pids => {}, http => HTTP::Tiny->new(timeout => 5, keep_alive => 0) }, $class;
	push @stores, $self;
	my ($client, $peer) = StolonLab::free_ports(2);
	$self->{url} = "http://127.0.0.1:$client";
	$self->start('etcd', 'etcd', '--name', 'test', '--data-dir', "$self->{dir}/etcd", '--unsafe-no-fsync',
		'--listen-client-urls', $self->{url}, '--advertise-client-urls', $self->{url},
		'--listen-peer-urls', "http://127.0.0.1:$peer",
		'--initial-advertise-peer-urls', "http://127.0.0.1:$peer",
		'--initial-cluster', "test=http://127.0.0.1:$peer");
	poll_until('etcd answers', sub { eval { $self->range('x'); 1 } });
	return $self;
}

# Starts a program under a name; its output goes to a file (see log_of).
sub start {
	my ($self, $name, @command) = @_;
	my $pid = fork() // die "fork: $!\n";
	if (!$pid) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', "$self->{dir}/$name.log";
		open STDERR, '>&', \*STDOUT;
		exec @command or POSIX::_exit(127);
	}
	return $self->{pids}{$name} = $pid;
}

sub start_sentinel {
	my ($self, $uid, @options) = @_;
	return $self->start($uid, 'stolon-sentinel', '--cluster-name', $self->{cluster}, '--store-endpoints',
		$self->{url}, '--uid', $uid, '--log-level', 'debug', @options);
}

# Ends a program with a signal; returns its exit code, or the signal that ended it, negative.
sub stop {
	my ($self, $name, $signal) = @_;
	my $pid = delete $self->{pids}{$name} or return;
	kill $signal, $pid;
	poll_until("$name ends", sub { waitpid($pid, 1) == $pid });
	return $? & 127 ? -($? & 127) : $? >> 8;
}

sub log_of {
	my ($self, $name) = @_;
	open my $file, '<', "$self->{dir}/$name.log" or return '';
	local $/;
	return scalar <$file> // '';
}

sub call {
	my ($self, $path, $body) = @_;
	my $answer = $self->{http}->post("$self->{url}$path", { content => $json->encode($body) });
	die "$path: $answer->{status} $answer->{content}\n" unless $answer->{success};
	return $json->decode($answer->{content});
}

sub full_key { my ($self, $key) = @_; return "stolon/cluster/$self->{cluster}/$key" }

sub range {
	my ($self, $key, @more) = @_;
	my $answer = $self->call('/v3/kv/range', { key => encode_base64($self->full_key($key), ''), @more });
	my ($kv) = @{ $answer->{kvs} // [] };
	return unless $kv;
	return { value => decode_base64($kv->{value}), mod_revision => $kv->{mod_revision} + 0,
		create_revision => $kv->{create_revision} + 0 };
}

# The decoded value of a key; undef: absent. In list context also its mod_revision.
sub get {
	my ($self, $key) = @_;
	my $found = $self->range($key) or return;
	my $value = eval { $json->decode($found->{value}) };
	return wantarray ? ($value, $found->{mod_revision}) : $value;
}

# Puts a value (a text, or what is encoded as JSON); with a revision only if `master` still has it.
sub put {
	my ($self, $key, $value, $master_revision) = @_;
	my $text = ref $value ? $json->encode($value) : $value;
	my $put = { requestPut => { key => encode_base64($self->full_key($key), ''), value => encode_base64($text, '') } };
	my @compare = defined $master_revision
	  ? ({ key => encode_base64($self->full_key('master'), ''), target => 'MOD', result => 'EQUAL',
		  modRevision => "$master_revision" })
	  : ();
	return $self->call('/v3/kv/txn', { compare => \@compare, success => [$put] })->{succeeded};
}

sub delete_key {
	my ($self, $key) = @_;
	$self->call('/v3/kv/deleterange', { key => encode_base64($self->full_key($key), '') });
}

sub clusterdata { return scalar $_[0]->get('clusterdata') }

sub clean_up {
	my ($self) = @_;
	for my $name (grep { $_ ne 'etcd' } keys %{ $self->{pids} }) {
		$self->stop($name, 'KILL');
	}
	$self->stop('etcd', 'KILL');
	remove_tree($self->{dir});
}

END {
	if ($$ == $owner) {
		my $code = $?;
		$_->clean_up for @stores;
		$? = $code;
	}
}

1;
