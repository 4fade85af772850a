# A disk that does not answer while a file lies in the data directory: see sick_disk.c, which this builds. Servers that are
# to have one are started while $ENV{LD_PRELOAD} names the library.
package SickDisk;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp ();

use StolonLab;

my $source = abs_path(dirname(__FILE__)) . '/sick_disk.c';
my $directory;

# Path of the library, built on first use; readable for the servers' user.
sub library {
	if (!$directory) {
		$directory = File::Temp->newdir('stolon-disk-XXXXXX', TMPDIR => 1);
		chmod 0755, $directory;
		my ($code, $out, $err) = StolonLab::run_command($ENV{CC} // 'cc', '-O1', '-shared', '-fPIC', '-o', "$directory/sick_disk.so", $source, '-ldl');
		die "cc failed: $err\n" if $code != 0;
	}
	return "$directory/sick_disk.so";
}

# $what: block.fsync, slow.fdatasync, ...
sub begin {
	my ($data, $what) = @_;
	open my $file, '>', "$data/$what" or die "$data/$what: $!\n";
	close $file;
	return;
}

sub end {
	my ($data, $what) = @_;
	unlink "$data/$what" or die "$data/$what: $!\n";
	return;
}

1;
