# A relay of TCP connections (relay.py) between a client and a server, which holds back or delays what goes through it.
package StolonRelay;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Open2 ();

my $program = abs_path(dirname(__FILE__)) . '/relay.py';

# Options: to (a port), mark (a text: requests that contain it are noted), log (a file for the notes).
sub new {
	my ($class, %options) = @_;
	my $self = bless { log => $options{log}, owner => $$ }, $class;
	$self->{pid} = IPC::Open2::open2($self->{out}, $self->{in}, 'python3', '-B', $program, '--to', $options{to},
		'--log', $options{log}, '--mark', $options{mark});
	$self->{port} = $self->answer;
	return $self;
}

sub port { return $_[0]{port} }

sub answer {
	my ($self) = @_;
	my $line = readline $self->{out};
	die "the relay has ended\n" unless defined $line;
	chomp $line;
	return $line;
}

sub order {
	my ($self, @words) = @_;
	print { $self->{in} } "@words\n";
	$self->{in}->flush;
	my $answer = $self->answer;
	die "relay: $answer\n" if $answer ne 'ok';
	return;
}

# From now on what goes in a direction ('requests' or 'answers') waits, also what is under way; let_go sends it on, even
# when the other side has left meanwhile.
sub hold { $_[0]->order('hold', $_[1]); return }
sub let_go { $_[0]->order('let_go', $_[1]); return }
# Each piece in a direction arrives so many seconds later.
sub delay { $_[0]->order('delay', $_[1], $_[2]); return }

# When each marked request came here, in microseconds on StolonLab's clock.
sub marks {
	my ($self) = @_;
	open my $file, '<', $self->{log} or return ();
	return map { /^(\d+)\n/ ? $1 : () } <$file>;
}

sub remove {
	my ($self) = @_;
	return unless $self->{pid} && $self->{owner} == $$;
	close $self->{in};    # its sign to end
	waitpid delete $self->{pid}, 0;
	return;
}

1;
